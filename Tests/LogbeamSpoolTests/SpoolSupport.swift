import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// A spool in a directory of its own, with two streams.
struct TestSpool {
    let directory: TemporaryDirectory
    let path: String
    let spool: Spool
    let stream: Int64
    let otherStream: Int64

    init(commitTimeout: Duration = .seconds(30), limit: SpoolLimit? = nil) throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool.db")
        var options = Spool.Options(commitTimeout: commitTimeout, limit: limit)
        // Who has logged logs, however slow the machine is.
        options.quietTime = .seconds(60)
        spool = try Spool(path: path, options: options)
        stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        otherStream = try spool.streamID(for: Destination(logGroup: "group", logStream: "other"))
    }

    @discardableResult
    func append(_ count: Int = 1, to stream: Int64? = nil, timestamp: Int64 = 1_000) throws -> [Int64] {
        try (0..<count).map { try spool.append("message \($0)", stream: stream ?? self.stream, timestamp: timestamp) }
    }

    /// Many records, in few transactions.
    func appendGroups(_ groups: Int, of size: Int = 1_000, bytes: Int = 100) throws {
        let message = [UInt8](repeating: 65, count: bytes)
        for _ in 0..<groups {
            try spool.appendGroup(of: size, message, stream: stream)
        }
    }

    /// The range from one record to another of the first stream, with all timestamps.
    func range(_ first: Int64, _ last: Int64, latest: Int64 = .max) -> BatchRange {
        BatchRange(stream: stream, first: first, last: last, latest: latest)
    }

    /// Begins and acknowledges all records of the first stream.
    func deliverAll() throws {
        let ids = try ids("records WHERE stream_id = \(stream)")
        guard let first = ids.first, let last = ids.last else { return }
        try spool.begin(range(first, last))
        try spool.acknowledgeAndFinish(range(first, last), refused: [], delivered: ids.count)
    }

    /// The ids in a table, ascending.
    func ids(_ table: String = "records") throws -> [Int64] { try LogbeamSpoolTests.ids(table, in: path) }

    /// One number, as another connection sees it.
    func number(_ sql: String) throws -> Int64 { try Connection(path: path, mode: .readOnly).integer(sql) }

    func execute(_ sql: String) throws { try Connection(path: path, mode: .readWrite).execute(sql) }

    /// The size of the write-ahead log's file.
    var walBytes: Int { get throws { try size(path + "-wal") } }
}

extension Spool {
    @discardableResult
    func append(_ text: String, stream: Int64, timestamp: Int64 = 1_000) throws -> Int64 {
        try append(Array(text.utf8), stream: stream, timestamp: timestamp)
    }

    @discardableResult
    func append(_ bytes: [UInt8], stream: Int64, timestamp: Int64 = 1_000) throws -> Int64 {
        try bytes.withUnsafeBufferPointer { try append(stream: stream, timestamp: timestamp, message: $0) }
    }

    /// The same message so many times, in one transaction.
    func appendGroup(of count: Int, _ bytes: [UInt8], stream: Int64, progress: AppendProgress? = nil) throws {
        try bytes.withUnsafeBufferPointer { message in
            let record = NewRecord(stream: stream, timestamp: 1_000, message: message)
            _ = try append(Array(repeating: record, count: count), progress: progress)
        }
    }
}

extension Spool {
    /// Counts a gap, and tells of it in its stream.
    func noteAndTell(_ gap: Gap) throws {
        try noteGap(gap)
        _ = try tellGap(gap)
    }
}

func ids(_ table: String = "records", in path: String) throws -> [Int64] {
    let connection = try Connection(path: path, mode: .readOnly)
    let statement = try connection.prepare("SELECT id FROM \(table) ORDER BY id")
    var ids: [Int64] = []
    while try statement.step() { ids.append(statement.integer(0)) }
    return ids
}

/// What SQLite says of the whole file: "ok", or what is wrong.
func integrity(of path: String) throws -> String {
    let connection = try Connection(path: path, mode: .readOnly)
    let statement = try connection.prepare("PRAGMA integrity_check")
    return try statement.step() ? statement.text(0) : "nothing"
}

func size(_ path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
}

/// The permission bits of a file.
func mode(_ path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int ?? -1
}

/// What the `sqlite3` command prints; throws, and says why, if it fails or is missing.
@discardableResult
func sqlite3(_ path: String, _ sql: String, options: [String] = []) throws -> String {
    let process = try ChildProcess("/usr/bin/env", ["sqlite3", "-batch"] + options + [path, sql])
    process.closeInput()
    let termination = try process.wait()
    try #require(termination.exitCode == 0, "sqlite3: \(process.text(.standardError))")
    return process.text()
}

/// Another program that uses a spool: see its source for what it can do.
func exerciser(_ action: String, _ path: String, _ count: Int = 0) throws -> ChildProcess {
    try ChildProcess(BuiltProducts.executable("logbeam-spool-exerciser"), [action, path, String(count)])
}

/// Each test of the suite, and the child tasks that it makes, runs on threads of its own.
struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await LogbeamTestSupport.onOwnThreads(function)
    }
}

extension Trait where Self == OwnThreads {
    static var onOwnThreads: Self { Self() }
}

/// Runs blocking calls at the same time, each on a thread of its own.
func onThreads<Result: Sendable>(
    _ count: Int,
    _ body: @escaping @Sendable (Int) throws -> Result
) async throws -> [Result] {
    try await withThrowingTaskGroup(of: Result.self) { group in
        for index in 0..<count {
            group.addTask { try await onOwnThread { try body(index) } }
        }
        return try await group.reduce(into: []) { $0.append($1) }
    }
}

/// The error that opening, or anything else, throws.
func spoolError(_ body: () throws -> Void) -> SpoolError? {
    do {
        try body()
        return nil
    } catch {
        return error as? SpoolError
    }
}

/// In a process that has the spool for itself: nobody else can have the lease.
extension Spool {
    func begin(_ range: BatchRange) throws(SpoolError) { try begin(range, in: nil) }

    func abandon(_ range: BatchRange, for parts: [BatchRange] = []) throws(SpoolError) {
        try abandon(range, for: parts, in: nil)
    }

    func acknowledge(_ range: BatchRange, refused: [RefusedRecord], delivered: Int) throws(SpoolError) {
        try acknowledge(range, refused: refused, delivered: delivered, in: nil)
    }

    func finish(_ range: BatchRange, ids: [Int64] = [], afterSlice: () -> Void = {}) throws(SpoolError) {
        try finish(range, ids: ids, in: nil, afterSlice: afterSlice)
    }

    func acknowledgeAndFinish(
        _ range: BatchRange,
        ids: [Int64] = [],
        refused: [RefusedRecord],
        delivered: Int,
        afterSlice: () -> Void = {}
    ) throws(SpoolError) {
        try acknowledge(range, refused: refused, delivered: delivered)
        try finish(range, ids: ids, afterSlice: afterSlice)
    }

    func deleteSlice(of range: BatchRange, from start: Int64) throws(SpoolError) -> Int64? {
        try deleteSlice(of: range, from: start, in: nil)
    }

    func deleteAll(of ranges: [BatchRange]) throws(SpoolError) -> Bool { try deleteAll(of: ranges, in: nil) }

    func reject(_ records: [RefusedRecord], afterSlice: () -> Void = {}) throws(SpoolError) {
        try reject(records, in: nil, afterSlice: afterSlice)
    }

    func noteFailure(stream: Int64, message: String, failures: Int) throws(SpoolError) {
        try noteFailure(
            stream: stream,
            message: message,
            failures: failures,
            time: WallClock.milliseconds(),
            in: nil
        )
    }
}

extension UploadLease {
    func acknowledgeAndFinish(
        _ range: BatchRange,
        ids: [Int64] = [],
        refused: [RefusedRecord],
        delivered: Int
    ) throws(SpoolError) {
        try acknowledge(range, refused: refused, delivered: delivered)
        try finish(range, ids: ids)
    }
}
