internal import CCurl

/// One request on its way: an easy handle, and everything that libcurl uses as long as it lives.
final class Transfer {
    let easy: UnsafeMutableRawPointer
    private let collector: ResponseCollector
    let host: String
    let proxy: Proxy?
    /// What libcurl has not taken of the body yet.
    private var unread: UnsafeBufferPointer<UInt8>
    private var headerList: UnsafeMutablePointer<curl_slist>?
    let errorText: UnsafeMutablePointer<CChar>
    /// Whether libcurl took every option so far.
    private var isComplete = true

    /// The body is sent from where it lies: it must stay there until the transfer is gone.
    init(
        _ request: HTTPRequest,
        body: UnsafeBufferPointer<UInt8>,
        configuration: HTTPClient.Configuration,
        sessions: UnsafeMutableRawPointer
    ) throws(HTTPError) {
        let proxy = try configuration.proxies.proxy(for: request.url)
        guard let easy = curl_easy_init() else { throw HTTPError(.unusable, "libcurl is out of memory") }
        self.easy = easy
        self.proxy = proxy
        unread = body
        collector = ResponseCollector(bodyLimit: configuration.responseLimit)
        host = String(request.url.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first ?? "")
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))

        set(CURLOPT_URL, request.url)
        take(logbeam_curl_set_http_protocols_only(easy))
        setMethod(request.method, body)
        try setHeaders(request.headers)
        set(CURLOPT_SHARE, UnsafeRawPointer(sessions))
        setTLS(configuration)
        setProxy(configuration)
        set(CURLOPT_CONNECTTIMEOUT_MS, configuration.connectTimeout.wholeMilliseconds)
        let upload = Duration.seconds(body.count / HTTPClient.Configuration.slowestUpload)
        set(CURLOPT_TIMEOUT_MS, (configuration.requestTimeout + upload).wholeMilliseconds)
        // Signals would go to whichever thread the kernel likes.
        set(CURLOPT_NOSIGNAL, 1)
        take(logbeam_curl_set_quick_exit(easy))
        take(logbeam_curl_set_close_on_exec(easy))
        set(CURLOPT_FOLLOWLOCATION, 0)
        // A proxy's answer to CONNECT is not the server's.
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        // A libcurl without HTTP/2 refuses this, and speaks HTTP/1.1.
        _ = logbeam_curl_set_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        set(CURLOPT_ERRORBUFFER, errorText)
        setCallbacks()
        guard isComplete else { throw HTTPError(.unusable, "libcurl refuses an option; is it older than 7.68?") }
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    /// The answer, after libcurl has said how the transfer ended.
    func response(after code: CURLcode) throws(HTTPError) -> HTTPResponse {
        if collector.isTooLarge {
            let message = "the answer of \(host) is larger than \(collector.bodyLimit) bytes"
            throw HTTPError(.tooLarge, message, requestWasSent: true)
        }
        guard code == CURLE_OK else { throw error(code) }
        var status = 0
        guard logbeam_curl_get_long(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK else {
            throw HTTPError(.connection, "the answer of \(host) has no status", requestWasSent: true)
        }
        return HTTPResponse(status: status, headers: collector.headers, body: collector.body)
    }

    /// Whether any of the request went out. Where libcurl can not say, it may have.
    var requestWasSent: Bool {
        var size = 0
        return logbeam_curl_get_long(easy, CURLINFO_REQUEST_SIZE, &size) != CURLE_OK || size > 0
    }
}

extension Transfer {
    /// Notes the result of setting an option.
    private func take(_ result: CURLcode) {
        if result != CURLE_OK { isComplete = false }
    }

    private func set(_ option: CURLoption, _ value: Int) {
        take(logbeam_curl_set_long(easy, option, value))
    }

    private func set(_ option: CURLoption, _ value: String) {
        // libcurl copies the text.
        take(logbeam_curl_set_string(easy, option, value))
    }

    private func set(_ option: CURLoption, _ value: UnsafeRawPointer?) {
        take(logbeam_curl_set_pointer(easy, option, value))
    }

    private func setMethod(_ method: HTTPRequest.Method, _ body: UnsafeBufferPointer<UInt8>) {
        if method == .get { return set(CURLOPT_HTTPGET, 1) }
        set(CURLOPT_POST, 1)
        take(logbeam_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)))
        // Handed over by a callback and not as a whole: what libcurl can not rewind it can not send a second time by itself,
        // as it would where a connection that was kept open ends without an answer. The server may have taken the request.
        let giveBody: curl_read_callback = { target, size, number, owner in
            guard let target, let owner else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(owner).takeUnretainedValue()
            return transfer.giveBody(UnsafeMutableRawBufferPointer(start: target, count: size * number))
        }
        take(logbeam_curl_set_write_callback(easy, CURLOPT_READFUNCTION, giveBody))
        set(CURLOPT_READDATA, UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()))
        // The same as POST but for the word.
        if method == .put { set(CURLOPT_CUSTOMREQUEST, method.rawValue) }
    }

    /// Copies the next part of the body; returns its length.
    private func giveBody(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let part = UnsafeBufferPointer(rebasing: unread.prefix(target.count))
        target.copyMemory(from: UnsafeRawBufferPointer(part))
        unread = UnsafeBufferPointer(rebasing: unread.dropFirst(part.count))
        return part.count
    }

    private func setHeaders(_ headers: [HTTPHeader]) throws(HTTPError) {
        // Waiting for a 100 costs a round trip, and a second where the server doesn't know it.
        for header in headers + [HTTPHeader("Expect", "")] {
            guard header.isWellFormed else {
                throw HTTPError(.unusable, "the header field \(header.name) cannot be sent")
            }
            // "Name:" takes a field away that libcurl would add by itself.
            guard let list = curl_slist_append(headerList, "\(header.name): \(header.value)") else {
                throw HTTPError(.unusable, "libcurl is out of memory")
            }
            headerList = list
        }
        set(CURLOPT_HTTPHEADER, headerList)
    }

    private func setTLS(_ configuration: HTTPClient.Configuration) {
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        logbeam_curl_set_no_ca_cache(easy)
        guard let file = configuration.certificateAuthorityFile else { return }
        set(CURLOPT_CAINFO, file)
        // Or the system's would be trusted as well.
        take(logbeam_curl_set_string(easy, CURLOPT_CAPATH, nil))
    }

    private func setProxy(_ configuration: HTTPClient.Configuration) {
        // Empty texts keep libcurl from the environment, which it reads by other rules.
        set(CURLOPT_PROXY, proxy?.url ?? "")
        set(CURLOPT_NOPROXY, "")
        guard let proxy else { return }
        if let user = proxy.user {
            set(CURLOPT_PROXYUSERNAME, user)
            set(CURLOPT_PROXYPASSWORD, proxy.password ?? "")
        }
        guard proxy.url.hasPrefix("https:") else { return }
        set(CURLOPT_PROXY_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        guard let file = configuration.certificateAuthorityFile else { return }
        set(CURLOPT_PROXY_CAINFO, file)
        take(logbeam_curl_set_string(easy, CURLOPT_PROXY_CAPATH, nil))
    }

    private func setCallbacks() {
        let receiver = Unmanaged.passUnretained(collector).toOpaque()
        let takeBody: curl_write_callback = { bytes, _, count, receiver in
            guard let bytes, let receiver else { return 0 }
            let collector = Unmanaged<ResponseCollector>.fromOpaque(receiver).takeUnretainedValue()
            return collector.takeBody(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
        }
        // The first number is always 1 for the body; for header lines the documentation wants the product.
        let takeHeader: curl_write_callback = { bytes, size, number, receiver in
            guard let bytes, let receiver else { return 0 }
            let collector = Unmanaged<ResponseCollector>.fromOpaque(receiver).takeUnretainedValue()
            let count = size * number
            return collector.takeHeaderLine(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
        }
        take(logbeam_curl_set_write_callback(easy, CURLOPT_WRITEFUNCTION, takeBody))
        take(logbeam_curl_set_write_callback(easy, CURLOPT_HEADERFUNCTION, takeHeader))
        set(CURLOPT_WRITEDATA, receiver)
        set(CURLOPT_HEADERDATA, receiver)
    }
}

extension HTTPHeader {
    /// A name of token characters (RFC 9110, 5.6.2), and a value that cannot begin another field.
    fileprivate var isWellFormed: Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"\"(),/:;<=>?@[\\]{}".utf8.contains($0) }
            && value.utf8.allSatisfy { $0 != 0 && $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
    }
}

extension Duration {
    /// At least 1, because 0 means "for ever" to libcurl.
    fileprivate var wholeMilliseconds: Int {
        Int(min(max(self / .milliseconds(1), 1), Double(Int32.max)))
    }
}
