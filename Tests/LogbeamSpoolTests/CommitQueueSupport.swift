import CSQLite
import Foundation
import LogbeamCore
import LogbeamTestSupport
import Synchronization
import Testing

@testable import LogbeamSpool

extension TestSpool {
    /// Appends each message on a thread of its own; all of them wait before the first can be committed.
    func appendTogether(_ messages: [String]) async throws -> [Result<Int64, any Error>] {
        precondition(messages.count <= 64)
        let isHeld = Gate()
        async let results = onThreads(messages.count) { index in
            isHeld.pass()
            return (index, Result { try spool.append(messages[index], stream: stream) })
        }
        try await onOwnThread {
            try spool.write { _ throws(SpoolError) in
                isHeld.open()
                #expect(eventually { spool.queue.waitingRecords == messages.count })
            }
        }
        return try await results.sorted { $0.0 < $1.0 }.map(\.1)
    }

    func append(_ message: String, within timeout: Duration) throws -> Int64 {
        var message = message
        return try message.withUTF8 {
            try spool.queue.append(
                NewRecord(stream: stream, timestamp: 1_000, message: $0),
                until: MonotonicClock.nanoseconds() + timeout.nanoseconds
            )
        }
    }

    /// A queue of its own for the same file.
    func anotherQueue(
        _ times: WaitingTimes,
        currentCore: @escaping @Sendable () -> Int32 = { logbeam_current_core() }
    ) throws -> CommitQueue {
        let connection = try SpoolFile.openForWriting(path: path, create: false, powerLossSafe: false)
        let writer = try Writer(connection: connection, walMonitor: WALMonitor())
        return CommitQueue(lock: TimedLock(), writer: writer, times: times, currentCore: currentCore)
    }

    /// All messages by their ids, as another connection sees them.
    func messages() throws -> [Int64: String] {
        let statement = try Connection(path: path, mode: .readOnly).prepare("SELECT id, message FROM records")
        var messages: [Int64: String] = [:]
        while try statement.step() { messages[statement.integer(0)] = statement.text(1) }
        return messages
    }
}

/// Counts the commits of a spool's connection, and makes the first ones fail.
final class Commits: Sendable {
    private let count = Atomic<Int>(0)
    private let failures: Int

    init(failures: Int = 0) {
        self.failures = failures
    }

    var number: Int { count.load(ordering: .relaxed) }

    /// Must outlive the spool.
    func count(in spool: Spool) throws {
        let context = Unmanaged.passRetained(self).toOpaque()
        try spool.write { writer throws(SpoolError) in
            _ = sqlite3_commit_hook(
                writer.connection.handle,
                { context in
                    guard let context else { return 0 }
                    let commits = Unmanaged<Commits>.fromOpaque(context).takeUnretainedValue()
                    return commits.count.add(1, ordering: .relaxed).newValue <= commits.failures ? 1 : 0
                },
                context
            )
        }
    }
}

/// Holds up the insertion of the message "pause".
final class Pause: Sendable {
    let gate = Gate()

    func install(in spool: Spool) throws {
        let context = Unmanaged.passRetained(gate).toOpaque()
        try spool.write { writer throws(SpoolError) in
            _ = sqlite3_create_function(
                writer.connection.handle,
                "pause",
                0,
                SQLITE_UTF8,
                context,
                { call, _, _ in
                    if let context = sqlite3_user_data(call) {
                        Unmanaged<Gate>.fromOpaque(context).takeUnretainedValue().pass()
                    }
                },
                nil,
                nil
            )
            try writer.connection.execute(
                """
                CREATE TEMP TRIGGER pausing BEFORE INSERT ON records WHEN NEW.message = 'pause'
                BEGIN SELECT pause(); END
                """
            )
        }
    }
}
