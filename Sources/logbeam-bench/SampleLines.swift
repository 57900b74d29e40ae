import LogbeamTestSupport
import Logging

/// Lines like those of an access log, for messages that compress about as real ones do.
final class SampleLines: Sendable {
    /// Of each.
    let byteCount: Int
    let all: [String]
    private let bytes: [UInt8]

    /// - Parameter byteCount: of a line that is as long as an entry of a log, or many entries in one.
    init(byteCount: Int = 128) {
        var random = SeededGenerator(seed: 1)
        // More than the 32 KiB in which deflate looks for repetitions hold, so that it never meets the same line again.
        let count = max(16, 4_096 * 128 / byteCount)
        all = (0..<count).map { _ in
            var line = Self.prefix
            while line.utf8.count < byteCount { line += Self.entry(&random) }
            return String(line.prefix(byteCount))
        }
        self.byteCount = byteCount
        bytes = all.flatMap(\.utf8)
    }

    /// What the text format puts before a message that is logged as `info` with the label `bench`.
    private static let prefix = "INFO bench: "

    /// What is to be logged to get such lines in the text format.
    static func messages(_ lines: [String]) -> [Logger.Message] {
        lines.map { Logger.Message(stringLiteral: String($0.dropFirst(prefix.utf8.count))) }
    }

    private static func entry(_ random: inout SeededGenerator) -> String {
        let paths = ["/api/v2/orders", "/api/v2/customers", "/api/v2/carts/items", "/health", "/static/app.js"]
        let method = ["GET", "POST", "PUT", "DELETE"].randomElement(using: &random) ?? ""
        let path = paths.randomElement(using: &random) ?? ""
        let number = Int.random(in: 1...999_999, using: &random)
        let id = String(UInt64.random(in: .min ... .max, using: &random), radix: 16)
        let status = [200, 200, 200, 201, 304, 404, 500].randomElement(using: &random) ?? 200
        let duration = Int.random(in: 1...9_999, using: &random)
        return "\(method) \(path)/\(number) status=\(status) duration=\(duration)us request=\(id)"
            + " user=\(number % 977) region=eu-central-1 served from the pool of workers, as always. "
    }

    func withBytes<Result>(_ number: Int, _ body: (UnsafeBufferPointer<CChar>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            line(number, in: bytes).withMemoryRebound(to: CChar.self, body)
        }
    }

    /// Lines by their numbers, one after the other.
    func withMessages<Result>(
        _ numbers: Range<Int>,
        _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
    ) rethrows -> Result {
        try bytes.withUnsafeBufferPointer { bytes in try body(numbers.map { line($0, in: bytes) }) }
    }

    private func line(_ number: Int, in bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let start = number % all.count * byteCount
        return UnsafeBufferPointer(rebasing: bytes[start..<start + byteCount])
    }
}
