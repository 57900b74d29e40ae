import CSQLite
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What is carried over into a new file")
struct CarryOverTests {
    private let directory: TemporaryDirectory
    private let old: Spool
    private let new: Spool

    init() throws {
        directory = try TemporaryDirectory()
        old = try Spool(path: directory.file("old.db"), options: .init(commitTimeout: .seconds(30)))
        new = try Spool(path: directory.file("new.db"), options: .init(commitTimeout: .seconds(30)))
    }

    private func stream(_ name: String, in spool: Spool) throws -> Int64 {
        try spool.streamID(for: Destination(logGroup: "group", logStream: name))
    }

    @Test("asks for the streams once, not once for each slice")
    func streams() throws {
        for name in 0..<20 { _ = try stream("\(name)", in: old) }
        let stream = try stream("0", in: old)
        for number in 0..<1_700 { try old.append("\(number)", stream: stream) }
        let before = try streamInserts()
        var slices = 0
        var carryOver = CarryOver(old: old, new: new, holdsLease: true)
        let isDone = try carryOver.run {
            slices += 1
            return true
        }
        #expect(isDone)
        #expect(slices >= 4)
        #expect(try streamInserts() - before == 20)
        #expect(try messages(in: new.path).count == 1_700)
    }

    /// How often the new file was asked to make a stream known.
    private func streamInserts() throws -> Int {
        try new.write { writer throws(SpoolError) in
            var count: Int32 = 0
            var statement = sqlite3_next_stmt(writer.connection.handle, nil)
            while let found = statement {
                if String(cString: sqlite3_sql(found)).contains("INTO streams") {
                    count += sqlite3_stmt_status(found, SQLITE_STMTSTATUS_RUN, 0)
                }
                statement = sqlite3_next_stmt(writer.connection.handle, found)
            }
            return Int(count)
        }
    }

    @Test("has its stream, though another process has made that known to the old file meanwhile")
    func laterStream() throws {
        let first = try stream("first", in: old)
        for number in 0..<600 { try old.append("\(number)", stream: first) }
        var isFirst = true
        var carryOver = CarryOver(old: old, new: new, holdsLease: true)
        let isDone = try carryOver.run {
            if isFirst {
                isFirst = false
                #expect(throws: Never.self) { try old.append("late", stream: stream("later", in: old)) }
            }
            return true
        }
        #expect(isDone)
        #expect(try sqlite3(new.path, "SELECT log_stream FROM pending WHERE message = 'late'") == "later\n")
    }
}
