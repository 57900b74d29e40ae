import Foundation

/// Times as AWS writes them.
enum Timestamp {
    static func basicFormat(_ milliseconds: Int64) -> String { format(milliseconds, "%Y%m%dT%H%M%SZ") }

    /// For the `Date` header (RFC 9110, section 5.6.7).
    static func http(_ milliseconds: Int64) -> String { format(milliseconds, "%a, %d %b %Y %H:%M:%S GMT") }

    /// `nil` for what is not exactly `20150830T123600Z`.
    static func milliseconds(basicFormat text: String) -> Int64? {
        guard text.utf8.count == 16 else { return nil }
        func number(_ range: Range<Int>) -> Int32 {
            Int32(String(decoding: Array(text.utf8)[range], as: UTF8.self)) ?? 0
        }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (number(0..<4) - 1900, number(4..<6) - 1, number(6..<8))
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (number(9..<11), number(11..<13), number(13..<15))
        let milliseconds = Int64(timegm(&parts)) * 1000
        // What is no number, or a day that does not exist, does not come out again the same.
        return basicFormat(milliseconds) == text ? milliseconds : nil
    }

    private static func format(_ milliseconds: Int64, _ format: String) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let bytes = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            count = buffer.withMemoryRebound(to: CChar.self) { strftime($0.baseAddress!, 64, format, &parts) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
