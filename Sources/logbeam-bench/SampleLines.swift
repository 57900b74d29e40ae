import LogbeamTestSupport

/// Lines like those of an access log, 128 bytes each, for messages that compress about as real ones do.
final class SampleLines: Sendable {
    static let byteCount = 128
    /// More than the 32 KiB in which deflate looks for repetitions hold, so that it never meets the same line again.
    static let count = 4_096

    let all: [String]
    private let bytes: [UInt8]

    init() {
        var random = SeededGenerator(seed: 1)
        let paths = ["/api/v2/orders", "/api/v2/customers", "/api/v2/carts/items", "/health", "/static/app.js"]
        let methods = ["GET", "POST", "PUT", "DELETE"]
        all = (0..<Self.count).map { _ in
            let method = methods.randomElement(using: &random) ?? ""
            let path = paths.randomElement(using: &random) ?? ""
            let number = Int.random(in: 1...999_999, using: &random)
            let id = String(UInt64.random(in: .min ... .max, using: &random), radix: 16)
            let status = [200, 200, 200, 201, 304, 404, 500].randomElement(using: &random) ?? 200
            let duration = Int.random(in: 1...9_999, using: &random)
            let line = "INFO bench: \(method) \(path)/\(number) status=\(status) duration=\(duration)us request=\(id)"
            let padding = " user=\(number % 977) region=eu-central-1 served from the pool of workers, as always"
            return String((line + padding).prefix(Self.byteCount)).padding(to: Self.byteCount)
        }
        bytes = all.flatMap(\.utf8)
    }

    func withBytes<Result>(_ number: Int, _ body: (UnsafeBufferPointer<CChar>) -> Result) -> Result {
        let start = number % Self.count * Self.byteCount
        return bytes.withUnsafeBufferPointer { bytes in
            UnsafeBufferPointer(rebasing: bytes[start..<start + Self.byteCount]).withMemoryRebound(to: CChar.self, body)
        }
    }

    /// Lines by their numbers, one after the other.
    func withMessages<Result>(
        _ numbers: Range<Int>,
        _ body: ([UnsafeBufferPointer<UInt8>]) throws -> Result
    ) rethrows -> Result {
        try bytes.withUnsafeBufferPointer { bytes in
            try body(
                numbers.map { number in
                    let start = number % Self.count * Self.byteCount
                    return UnsafeBufferPointer(rebasing: bytes[start..<start + Self.byteCount])
                }
            )
        }
    }
}

extension String {
    fileprivate func padding(to count: Int) -> String {
        self + String(repeating: ".", count: max(0, count - utf8.count))
    }
}
