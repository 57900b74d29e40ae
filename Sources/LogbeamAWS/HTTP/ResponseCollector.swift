/// Gathers an answer from the pieces in which libcurl hands it over, as far as the limits go.
final class ResponseCollector {
    /// All header lines together, in bytes. AWS sends less than one KiB.
    static let headerLimit = 65_536

    let bodyLimit: Int
    private(set) var headers: [HTTPHeader] = []
    private(set) var body: [UInt8] = []
    private(set) var isTooLarge = false
    private var headerByteCount = 0
    /// Lines after the empty line are trailers, which could contradict the header.
    private var isHeaderComplete = false

    init(bodyLimit: Int) {
        self.bodyLimit = bodyLimit
    }

    /// Returns false if the answer is too large, which ends the transfer.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count <= bodyLimit - body.count else {
            isTooLarge = true
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    /// Takes one line with its line break. Returns false if the header is too large, which ends the transfer.
    func takeHeaderLine(_ bytes: UnsafeRawBufferPointer) -> Bool {
        headerByteCount += bytes.count
        guard headerByteCount <= Self.headerLimit else {
            isTooLarge = true
            return false
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let line = text.prefix { !$0.isNewline }
        if line.hasPrefix("HTTP/") {
            // A status line: what came before it was an interim answer (100 Continue).
            headers = []
            isHeaderComplete = false
        } else if line.isEmpty {
            isHeaderComplete = true
        } else if !isHeaderComplete, let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].trimmingWhitespace
            headers.append(HTTPHeader(String(line[..<colon]), String(value)))
        }
        return true
    }
}
