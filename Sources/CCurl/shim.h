#ifndef LOGBEAM_CCURL_SHIM_H
#define LOGBEAM_CCURL_SHIM_H

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>

/// curl_easy_setopt and curl_easy_getinfo are variadic, which Swift cannot call: one function for each type of argument.

static inline CURLcode logbeam_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode logbeam_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode logbeam_curl_set_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode logbeam_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode logbeam_curl_set_write_callback(CURL *handle, CURLoption option, curl_write_callback value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode logbeam_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

/// Lets the handle speak HTTP and HTTPS alone. The option that takes names is the newer one.
static inline CURLcode logbeam_curl_set_http_protocols_only(CURL *handle) {
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return curl_easy_setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/// Lets a cancelled or timed-out transfer return without waiting for a name server (from 7.87 on).
static inline CURLcode logbeam_curl_set_quick_exit(CURL *handle) {
#if LIBCURL_VERSION_NUM >= 0x075700
    return curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)handle;
    return CURLE_OK;
#endif
}

/// Keeps libcurl from holding a file of certificate authorities for a day as it once was (from 7.87 on): what is mended in
/// it counts with the next connection. Not every TLS library has the option, nor the cache then:
/// https://curl.se/libcurl/c/CURLOPT_CA_CACHE_TIMEOUT.html
static inline void logbeam_curl_set_no_ca_cache(CURL *handle) {
#if LIBCURL_VERSION_NUM >= 0x075700
    (void)curl_easy_setopt(handle, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#else
    (void)handle;
#endif
}

static inline curl_socket_t logbeam_curl_open_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)owner;
    (void)purpose;
#ifdef SOCK_CLOEXEC
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
    curl_socket_t made = socket(address->family, address->socktype, address->protocol);
    if (made >= 0) fcntl(made, F_SETFD, FD_CLOEXEC);
    return made;
#endif
}

/// Keeps sockets from programs that this process starts; libcurl does so itself from 8.17 on.
static inline CURLcode logbeam_curl_set_close_on_exec(CURL *handle) {
    return curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, logbeam_curl_open_socket);
}

/// What easy handles that follow one another need to share the TLS sessions that were agreed on; NULL if out of memory.
static inline CURLSH *logbeam_curl_share_tls_sessions(void) {
    CURLSH *share = curl_share_init();
    if (share && curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
        curl_share_cleanup(share);
        return NULL;
    }
    return share;
}

/// The result inside a CURLMsg, whose union Swift imports awkwardly.
static inline CURLcode logbeam_curl_message_result(const CURLMsg *message) { return message->data.result; }

#endif
