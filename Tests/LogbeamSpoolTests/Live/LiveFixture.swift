import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization

@testable import LogbeamSpool

/// A live spool that looks at its file with every record, and what it reported.
struct LiveFixture {
    let directory: TemporaryDirectory
    let path: String
    let spool: LiveSpool
    let stream = LiveStream(Destination(logGroup: "group", logStream: "stream"))
    let other = LiveStream(Destination(logGroup: "group", logStream: "other"))
    private let lines: Lines

    final class Lines: Sendable {
        let all = Mutex<[String]>([])
    }

    init(
        in directory: TemporaryDirectory? = nil,
        commitTimeout: Duration = .seconds(30),
        limit: SpoolLimit? = nil
    ) throws {
        let lines = Lines()
        self.directory = try directory ?? TemporaryDirectory()
        path = self.directory.file("spool/logs.db")
        self.lines = lines
        spool = try LiveSpool(
            path: path,
            options: .init(commitTimeout: commitTimeout, limit: limit),
            lookInterval: .zero,
            report: { line in lines.all.withLock { $0.append(line) } }
        )
    }

    var reported: [String] { lines.all.withLock { $0 } }
    var quarantined: [String] { Quarantine.files(of: path) }

    @discardableResult
    func log(_ text: String, to stream: LiveStream? = nil, mayBlock: Bool = true) throws -> Int64 {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBufferPointer {
            try spool.append(to: stream ?? self.stream, timestamp: 1_000, message: $0, mayBlock: mayBlock).id
        }
    }

    /// The pending messages in the file at the path.
    func pending() throws -> [String] { try messages(in: path) }

    /// Changes the file as another program would: opened and closed here, it would lose SQLite's locks on it.
    func shell(_ script: String) throws {
        let process = try ChildProcess("/bin/sh", ["-ec", script, path])
        process.closeInput()
        guard try process.wait().exitCode == 0 else {
            throw SpoolError(.other, path: path, message: process.text(.standardError))
        }
    }
}

/// The pending messages in a spool, in the order of their commits.
func messages(in path: String) throws -> [String] {
    let connection = try Connection(path: path, mode: .readOnly)
    let statement = try connection.prepare("SELECT message FROM pending ORDER BY id")
    var messages: [String] = []
    while try statement.step() { messages.append(statement.text(0)) }
    return messages
}
