import Foundation
import Synchronization

/// A new empty directory, mode 0700, that goes with everything in it when its owner lets go of it, or with the process.
package final class TemporaryDirectory: Sendable {
    /// The absolute path, without a slash at the end.
    package let path: String

    /// Those that are there. What a test leaves running for good, such as a shipper that many share, keeps its own.
    private static let present = Mutex<Set<String>>([])
    private static let removalAtExit: Void = {
        atexit { for path in TemporaryDirectory.present.withLock({ $0 }) { TemporaryDirectory.remove(path) } }
    }()

    /// - Parameter parent: Where it is made; in the system's directory for temporary files if `nil`.
    package init(in parent: String? = nil) throws {
        let parent = parent ?? FileManager.default.temporaryDirectory.path
        var template = Array("\(parent)/logbeam-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp in \(parent)") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        _ = Self.removalAtExit
        Self.present.withLock { _ = $0.insert(path) }
    }

    deinit {
        Self.present.withLock { _ = $0.remove(path) }
        Self.remove(path)
    }

    private static func remove(_ path: String) {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in the directory; the file need not exist.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file, and the directories on the way to it, and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        let file = URL(filePath: file(name))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file.path
    }
}
