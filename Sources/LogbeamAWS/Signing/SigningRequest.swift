/// What a signature covers: the parts of a request, before anything of them is percent-encoded.
package struct SigningRequest: Sendable {
    /// In capitals: `POST`.
    package var method: String
    /// The path as it goes over the wire. Every service but S3 signs it percent-encoded once more.
    package var path: String
    /// The parameters of the query, decoded.
    package var query: [(name: String, value: String)]
    /// The fields to be sent, `Host` among them, in the order of sending.
    package var headers: [HTTPHeader]
    package var body: [UInt8]

    package init(
        method: String,
        path: String,
        query: [(name: String, value: String)] = [],
        headers: [HTTPHeader],
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }
}
