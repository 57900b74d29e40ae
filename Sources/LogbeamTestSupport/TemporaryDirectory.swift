import Foundation

/// A new empty directory, mode 0700, that goes with everything in it when its owner lets go of it.
package final class TemporaryDirectory: Sendable {
    /// The absolute path, without a slash at the end.
    package let path: String

    /// - Parameter parent: Where it is made; in the system's directory for temporary files if `nil`.
    package init(in parent: String? = nil) throws {
        let parent = parent ?? FileManager.default.temporaryDirectory.path
        var template = Array("\(parent)/logbeam-tests-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("mkdtemp in \(parent)") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in the directory; the file need not exist.
    package func file(_ name: String) -> String { "\(path)/\(name)" }
}
