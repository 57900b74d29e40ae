internal import CCurl
internal import Synchronization

/// An HTTP client on libcurl for one thread at a time; others wait for their turn.
///
/// Keeps its connections open between requests, speaks HTTP/2 where TLS offers it, and goes by the proxies that it is
/// told of; what libcurl would read in the environment by itself it does not. TLS is 1.2 or later and always verified;
/// a new connection of HTTP/1.1 takes up the TLS session of the last one. It follows no redirects and repeats nothing
/// of which a body went out: libcurl would by itself, on a new connection, where one that was kept open ends before
/// anything of an answer has come.
package final class HTTPClient: HTTPTransport {
    package struct Configuration: Sendable {
        /// The time to resolve the host's name, connect, and agree on TLS. A resolver gives each name server 5 s before it
        /// asks the next one (resolv.conf(5), `timeout`): one that is out of reach is no reason to give up.
        package var connectTimeout: Duration = .seconds(15)
        /// The time for the whole request, connecting included; a body adds a second for each ``slowestUpload`` bytes.
        package var requestTimeout: Duration = .seconds(30)
        /// A file with the certificate authorities to trust, in PEM format; `nil` for the system's.
        package var certificateAuthorityFile: String?
        /// The largest body of an answer, in bytes.
        package var responseLimit = 1 << 20
        /// The proxies to go by. HTTPS goes through them as it is, by CONNECT: they see the host's name and no more. Of HTTP
        /// they see all.
        package var proxies = ProxyRules.direct

        package init() {}

        /// In bytes a second. What is broken off on a slower line arrives all the same, where the system has taken all of it
        /// to be sent: it would be there again with each try.
        static let slowestUpload = 8_192
    }

    private let configuration: Configuration
    private let isCancelled = Atomic(false)
    private let multi: MultiHandle?
    /// Held during a request. Neither the multi handle nor an easy handle may be used by two threads at once.
    private let turn = Mutex(())

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        multi = MultiHandle()
    }

    package func cancel() {
        isCancelled.store(true, ordering: .sequentiallyConsistent)
        multi?.wakeUp()
    }

    package func perform(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
        guard let multi else { throw HTTPError(.unusable, "libcurl cannot be initialised") }
        return try turn.withLock { _ in
            BrokenPipeSignal.whileBlocked {
                request.body.withUnsafeBufferPointer { body in
                    Result { () throws(HTTPError) in try run(request, body, on: multi) }
                }
            }
        }.get()
    }

    private func run(
        _ request: HTTPRequest,
        _ body: UnsafeBufferPointer<UInt8>,
        on multi: MultiHandle
    ) throws(HTTPError) -> HTTPResponse {
        try checkCancellation()
        let transfer = try Transfer(request, body: body, configuration: configuration, sessions: multi.sessions)
        guard curl_multi_add_handle(multi.handle, transfer.easy) == CURLM_OK else {
            throw HTTPError(.unusable, "libcurl cannot take a request")
        }
        defer {
            // Ends the transfer if it is still going on, and closes its connection then.
            curl_multi_remove_handle(multi.handle, transfer.easy)
            withExtendedLifetime(transfer) {}
        }
        while true {
            var running: Int32 = 0
            guard curl_multi_perform(multi.handle, &running) == CURLM_OK else {
                let message = "libcurl cannot go on with a request"
                throw HTTPError(.unusable, message, requestWasSent: transfer.requestWasSent)
            }
            if let code = multi.result(of: transfer.easy) { return try transfer.response(after: code) }
            try checkCancellation(of: transfer)
            // libcurl shortens the wait to its own next timeout, and cancel() ends it. It is short by itself because
            // libcurl 7.88 may hold back what it has read of HTTP/2 until it is called again, though nothing more
            // comes.
            guard curl_multi_poll(multi.handle, nil, 0, 100, nil) == CURLM_OK else {
                let message = "libcurl cannot wait for an answer"
                throw HTTPError(.unusable, message, requestWasSent: transfer.requestWasSent)
            }
        }
    }

    private func checkCancellation(of transfer: Transfer? = nil) throws(HTTPError) {
        guard isCancelled.load(ordering: .sequentiallyConsistent) else { return }
        throw HTTPError(.cancelled, "cancelled", requestWasSent: transfer?.requestWasSent ?? false)
    }
}

/// Owns the connections that are kept open.
///
/// @unchecked: the handle is used under the client's lock, but for `wakeUp`, which libcurl allows from any thread while
/// the handle lives, and it lives as long as this object.
private final class MultiHandle: @unchecked Sendable {
    /// libcurl's own start, once in a process, after libcrypto's.
    private static let isLibraryReady = OpenSSL.isReady && curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    let handle: UnsafeMutableRawPointer
    /// The TLS sessions, which an easy handle would take with it. Needs no lock: it is used under the client's.
    let sessions: UnsafeMutableRawPointer

    init?() {
        guard Self.isLibraryReady, let handle = curl_multi_init() else { return nil }
        guard let sessions = logbeam_curl_share_tls_sessions() else {
            curl_multi_cleanup(handle)
            return nil
        }
        self.handle = handle
        self.sessions = sessions
    }

    deinit {
        curl_multi_cleanup(handle)
        curl_share_cleanup(sessions)
    }

    func wakeUp() {
        curl_multi_wakeup(handle)
    }

    /// How the transfer ended; `nil` while it is going on.
    func result(of easy: UnsafeMutableRawPointer) -> CURLcode? {
        var left: Int32 = 0
        while let message = curl_multi_info_read(handle, &left) {
            if message.pointee.msg == CURLMSG_DONE, message.pointee.easy_handle == easy {
                return logbeam_curl_message_result(message)
            }
        }
        return nil
    }
}
