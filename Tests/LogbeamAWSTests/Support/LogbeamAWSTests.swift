import Foundation

enum LogbeamAWSTests {
    /// A Python script of these tests.
    static func script(_ name: String) -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Python/\(name)")
    }
}
