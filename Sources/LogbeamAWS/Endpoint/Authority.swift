/// The host and the port of a URL: `HOST[:PORT]`.
struct Authority: Equatable {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    var host: String
    var port: UInt16?

    /// `nil` if there is no valid host, or a port that is none.
    init?(_ text: String) {
        let name: Substring
        if text.hasPrefix("[") {
            name = text.prefix { $0 != "]" } + (text.contains("]") ? "]" : "")
        } else {
            name = text.prefix { $0 != ":" }
        }
        guard Self.isHost(name) else { return nil }
        host = String(name)
        let rest = text.dropFirst(name.count)
        if rest.isEmpty { return }
        guard rest.hasPrefix(":"), !rest.contains("+"), let port = UInt16(rest.dropFirst()), port > 0 else {
            return nil
        }
        self.port = port
    }

    private static func isHost(_ name: Substring) -> Bool {
        if name.hasPrefix("[") {
            return name.hasSuffix("]") && name.count > 3
                && name.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
        }
        return (1...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || "-._".utf8.contains($0) }
    }
}
