internal import CCurl

extension Transfer {
    /// Says what went wrong, and with whom.
    func error(_ code: CURLcode) -> HTTPError {
        let text = String(cString: errorText)
        let detail = text.isEmpty ? String(cString: curl_easy_strerror(code)) : text
        return proxyError(code, detail) ?? error(code, detail)
    }

    /// `nil` if the proxy has nothing to do with it.
    private func proxyError(_ code: CURLcode, _ detail: String) -> HTTPError? {
        guard let proxy else { return nil }
        if code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT {
            return HTTPError(.connection, "the proxy \(proxy) cannot be reached: \(detail)")
        }
        var status = 0
        guard logbeam_curl_get_long(easy, CURLINFO_HTTP_CONNECTCODE, &status) == CURLE_OK, status >= 300 else {
            return nil
        }
        let refusal = "the proxy \(proxy) answered \(status) when asked for \(host)"
        if status == 407 {
            let what = proxy.user == nil ? "a user name and a password" : "another user name or password"
            return HTTPError(.proxy, "\(refusal): it wants \(what), as in http://USER:PASSWORD@HOST:PORT")
        }
        if status < 500, status != 408, status != 429 {
            return HTTPError(.proxy, "\(refusal); allow that host there, or name it in NO_PROXY")
        }
        return HTTPError(.connection, refusal)
    }

    private func error(_ code: CURLcode, _ detail: String) -> HTTPError {
        let by = proxy.map { " by the proxy \($0)" } ?? ""
        let message = "no answer from \(host)\(by): \(detail)"
        // What fails before the request is sent is told apart from the rest: the size that libcurl gives has CONNECT in it.
        switch code {
        case CURLE_SSL_CACERT_BADFILE: return HTTPError(.certificate(.unusableFile), message)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
            return certificateError(detail)
        case CURLE_SSL_CONNECT_ERROR:
            return HTTPError(.connection, "no TLS of version 1.2 or later with \(host)\(by): \(detail)")
        default: break
        }
        let kind: HTTPError.Kind =
            switch code {
            case CURLE_OPERATION_TIMEDOUT: .timeout
            case CURLE_URL_MALFORMAT, CURLE_FAILED_INIT, CURLE_OUT_OF_MEMORY, CURLE_NOT_BUILT_IN: .unusable
            // CURLE_UNSUPPORTED_PROTOCOL is here as well: it also means that a server doesn't answer in HTTP.
            default: .connection
            }
        return HTTPError(kind, message, requestWasSent: requestWasSent)
    }

    private func certificateError(_ detail: String) -> HTTPError {
        // libcurl checks the name by itself, before it asks libssl for its verdict, which is "unspecified" then.
        var result = 0
        _ = logbeam_curl_get_long(easy, CURLINFO_SSL_VERIFYRESULT, &result)
        let (fault, what): (HTTPError.CertificateFault, String) =
            // X509_V_OK, X509_V_ERR_UNSPECIFIED, _CERT_NOT_YET_VALID and _CERT_HAS_EXPIRED (openssl/x509_vfy.h).
            switch result {
            case 0, 1: (.otherHost, "that of another host")
            case 9: (.notYetValid, "not valid yet")
            case 10: (.expired, "expired")
            default: (.untrusted, "not trusted")
            }
        return HTTPError(.certificate(fault), "the certificate of \(host) is \(what): \(detail)")
    }
}
