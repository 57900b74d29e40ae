/// A request that is no HTTP/1.1, or one that this server does not take. The connection ends after the answer.
struct HTTPViolation: Error {
    var status: Int
    var message: String

    init(_ message: String, status: Int = 400) {
        self.status = status
        self.message = message
    }
}

/// The headers of a request. Names are compared without regard to case; a header may come once only, where it matters.
package struct HTTPHeaders: Sendable {
    /// In the order of the request, the names in lower case.
    package private(set) var fields: [(name: String, value: String)] = []

    /// The first value of a header, without the white space around it.
    package subscript(name: String) -> String? {
        let name = name.lowercased()
        return fields.first { $0.name == name }?.value
    }

    /// The value of a header that must not come twice.
    func single(_ name: String) throws -> String? {
        let values = fields.filter { $0.name == name }
        guard values.count <= 1 else { throw HTTPViolation("\(name) comes more than once") }
        return values.first?.value
    }

    mutating func append(line: [UInt8]) throws {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw HTTPViolation("a header without colon") }
        let name = line[..<colon]
        let value = line[(colon + 1)...]
        guard !name.isEmpty, name.allSatisfy(Self.isTokenByte) else {
            throw HTTPViolation("a header's name is no token")
        }
        guard value.allSatisfy({ (0x20...0x7e).contains($0) || $0 == 0x09 }) else {
            throw HTTPViolation("a header's value is not printable ASCII")
        }
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        let trimmed = value.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        fields.append((String(decoding: name, as: UTF8.self).lowercased(), String(decoding: trimmed, as: UTF8.self)))
    }

    /// RFC 9110, section 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

/// One request as it came over the wire: the body without its framing, but not decompressed.
struct HTTPRequest {
    /// More than any PutLogEvents request can be: 1 MiB of messages, each byte escaped to six, and 10,000 events.
    static let maximumBody = 16 << 20
    static let maximumHead = 16 << 10

    var method: String
    var target: String
    var headers = HTTPHeaders()
    var body: [UInt8] = []

    /// Reads the next request of a connection; `nil` where the client has closed it.
    static func read(from connection: HTTPConnection) throws -> HTTPRequest? {
        var budget = maximumHead
        guard let line = try connection.readLine(budget: &budget) else { return nil }
        let parts = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].utf8.allSatisfy(HTTPHeaders.isTokenByte) else {
            throw HTTPViolation("no request line")
        }
        guard parts[2] == "HTTP/1.1" else { throw HTTPViolation("not HTTP/1.1", status: 505) }
        guard parts[1].hasPrefix("/") else { throw HTTPViolation("the target is no path") }
        var request = HTTPRequest(method: String(parts[0]), target: String(parts[1]))

        while true {
            guard let line = try connection.readLine(budget: &budget) else { throw HTTPConnection.Closed() }
            if line.isEmpty { break }
            try request.headers.append(line: line)
        }
        guard let host = try request.headers.single("host"), !host.isEmpty else { throw HTTPViolation("no Host") }
        try request.readBody(from: connection)
        return request
    }

    private mutating func readBody(from connection: HTTPConnection) throws {
        let length = try headers.single("content-length")
        let encoding = try headers.single("transfer-encoding")
        let expectation = try headers.single("expect")
        if let expectation, expectation.lowercased() != "100-continue" {
            throw HTTPViolation("cannot meet: \(expectation)", status: 417)
        }
        switch (length, encoding) {
        case (nil, nil):
            return
        case (.some, .some):
            throw HTTPViolation("both Content-Length and Transfer-Encoding")
        case (nil, let encoding?):
            guard encoding.lowercased() == "chunked" else { throw HTTPViolation("unknown coding: \(encoding)") }
        case (let length?, nil):
            guard !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int(length)
            else {
                throw HTTPViolation("Content-Length is no number")
            }
            guard count <= Self.maximumBody else { throw HTTPViolation("the body is too long", status: 413) }
        }
        // The client holds the body back until it sees this (curl does so from 1 MiB on).
        if expectation != nil { try connection.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)) }
        if let length, let count = Int(length) {
            body = try connection.read(count)
        } else {
            body = try Self.readChunks(from: connection)
        }
    }

    /// RFC 9112, section 7.1. Extensions and trailers are read and forgotten.
    private static func readChunks(from connection: HTTPConnection) throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            var budget = maximumHead
            guard let line = try connection.readLine(budget: &budget) else { throw HTTPConnection.Closed() }
            let digits = line.prefix { $0 != UInt8(ascii: ";") }
            guard (1...8).contains(digits.count), digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let count = Int(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw HTTPViolation("a chunk's size is no number") }
            guard body.count + count <= maximumBody else { throw HTTPViolation("the body is too long", status: 413) }
            if count == 0 { break }
            body += try connection.read(count)
            guard try connection.read(2) == Array("\r\n".utf8) else { throw HTTPViolation("a chunk without end") }
        }
        var budget = maximumHead
        while let line = try connection.readLine(budget: &budget) {
            if line.isEmpty { return body }
        }
        throw HTTPConnection.Closed()
    }
}
