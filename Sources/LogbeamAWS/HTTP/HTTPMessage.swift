/// A request as the transport takes it.
package struct HTTPRequest: Sendable {
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
    }

    package var method: Method
    /// Absolute: `https://HOST/PATH`.
    package var url: String
    package var headers: [HTTPHeader]
    package var body: [UInt8]

    package init(method: Method, url: String, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// A whole answer, whatever its status.
package struct HTTPResponse: Sendable, Equatable {
    package var status: Int
    package var headers: [HTTPHeader]
    package var body: [UInt8]

    package init(status: Int, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The value of the first field of that name; the case of letters doesn't matter.
    package subscript(header name: String) -> String? {
        headers.first { $0.isNamed(name) }?.value
    }
}

/// Why there is no answer.
package struct HTTPError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// No connection, or it broke before the whole answer was there.
        case connection
        /// The server took too long to connect or to answer.
        case timeout
        /// The server's certificate is not to be trusted, or the file that says whom to trust cannot be used.
        case certificate(CertificateFault)
        /// The proxy answered that it does not let the request through; another try will not help.
        case proxy
        /// The answer is larger than the client takes.
        case tooLarge
        /// `cancel()` was called.
        case cancelled
        /// The request is not one that can be sent, or libcurl cannot be used.
        case unusable
    }

    /// Why a certificate is not to be trusted.
    package enum CertificateFault: Sendable, Equatable {
        /// Nobody who is trusted vouches for it.
        case untrusted
        /// Its time is over, or has not come yet, by the clock of this machine.
        case expired
        case notYetValid
        case otherHost
        /// The file that says whom to trust cannot be read, or is none.
        case unusableFile
    }

    package var kind: Kind
    /// What happened and to which host, on one line.
    package var message: String
    /// Whether any of the request went out, so that the server may have done what it asks.
    package var requestWasSent: Bool

    package init(_ kind: Kind, _ message: String, requestWasSent: Bool = false) {
        self.kind = kind
        self.message = message
        self.requestWasSent = requestWasSent
    }

    package var description: String { message }
}

/// Sends requests. Knows neither AWS nor retries.
package protocol HTTPTransport: Sendable {
    /// Sends a request and waits for the whole answer; blocks the calling thread.
    func perform(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse

    /// Makes the request in progress, and every later one, fail at once as cancelled. May be called from any thread.
    func cancel()
}
