import CSQLite
import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging

/// What a round measures: one record committed a call, from any number of threads.
protocol Committer: Sendable {
    /// The spool, or the file of its form, that the records go to.
    var path: String { get }
    func commit(_ number: Int)
}

/// Records logged through swift-log.
final class LoggingCommitter: Committer {
    let path: String
    private let shipper: LogShipper
    private let logger: Logger
    private let messages: [Logger.Message]
    private let errorEvery: Int

    /// - Parameters:
    ///   - isShipping: Whether the uploader ships, to a service that takes everything at once, or is held up in its first
    ///     request for as long as the committer lives.
    ///   - errorEvery: One record in so many is of the level `error`, the others are `info`.
    ///   - configure: What else is to be set.
    convenience init(
        path: String,
        lines: SampleLines,
        isShipping: Bool,
        errorEvery: Int = .max,
        configure: (inout LogShipper.Configuration) -> Void = { _ in }
    ) throws {
        let held = ScriptedDeliveryService(gate: Gate())
        try self.init(path: path, lines: lines, service: isShipping ? Taker() : held, errorEvery: errorEvery) {
            if !isShipping { ($0.bufferDuration, $0.batchCount) = (.seconds(3600), 1) }
            configure(&$0)
        }
        guard !isShipping else { return }
        commit(0)
        guard held.waitForBatches(1) else { throw BenchError("the uploader does not send") }
    }

    /// - Parameter service: What the uploader ships to.
    init(
        path: String,
        lines: SampleLines,
        service: any DeliveryService,
        errorEvery: Int = .max,
        configure: (inout LogShipper.Configuration) -> Void
    ) throws {
        self.path = path
        self.errorEvery = errorEvery
        var configuration = LogShipper.Configuration(
            logGroupName: DrainBench.destination.logGroup,
            logStreamName: DrainBench.destination.logStream,
            spool: path,
            exitFlushTimeout: .zero
        )
        configure(&configuration)
        shipper = try LogShipper(configuration, service: service)
        logger = Logger(label: "bench") { [shipper] label in CloudWatchLogsHandler(label: label, shipper: shipper) }
        messages = SampleLines.messages(lines.all)
    }

    func commit(_ number: Int) {
        let level = number % errorEvery == errorEvery - 1 ? Logger.Level.error : .info
        logger.log(level: level, messages[number % messages.count])
    }

    func end() async {
        await shipper.shutdown(timeout: .zero)
    }

    func flush() async -> Bool { await shipper.flush(timeout: .seconds(600)) }
}

/// A service that takes everything at once.
final class Taker: DeliveryService {
    func send(_ batch: EventBatch) -> DeliveryOutcome { .accepted(.none) }
    func create(_ destination: Destination) -> DeliveryOutcome { .accepted(.none) }
    func cancel() {}
}

/// The floor: the same rows into the same tables by SQLite's C functions and nothing else. Several threads take turns
/// behind a lock.
// @unchecked: the handles are used by one thread, or under the lock.
final class BareCommitter: Committer, @unchecked Sendable {
    let path: String
    private let lock: NSLock?
    private let lines: SampleLines
    private var connection: OpaquePointer?
    private var statement: OpaquePointer?
    private var lastID: Int64 = 0

    init(path: String, lines: SampleLines, threads: Int, powerLossSafe: Bool = false) throws {
        self.path = path
        self.lines = lines
        lock = threads > 1 ? NSLock() : nil
        // The spool itself makes the file, so that tables, page size and all that stands in it are the same.
        _ = try Spool(path: path)
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
        try check(sqlite3_open_v2(path, &connection, flags, nil))
        let settings = Spool.connectionSettings(powerLossSafe: powerLossSafe) + "PRAGMA wal_autocheckpoint = 0"
        try check(sqlite3_exec(connection, settings, nil, nil, nil))
        let sql = "INSERT INTO records (id, stream_id, timestamp, message) VALUES (?1, ?2, ?3, ?4)"
        try check(sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil))
        lastID = WallClock.microseconds()
    }

    deinit {
        sqlite3_finalize(statement)
        sqlite3_close_v2(connection)
    }

    func commit(_ number: Int) {
        lock?.lock()
        defer { lock?.unlock() }
        insert(number)
    }

    /// Commits records in one transaction.
    func commit(_ numbers: Range<Int>) {
        sqlite3_exec(connection, "BEGIN IMMEDIATE", nil, nil, nil)
        for number in numbers { insert(number) }
        let code = sqlite3_exec(connection, "COMMIT", nil, nil, nil)
        precondition(code == SQLITE_OK, "a bare commit failed: \(String(cString: sqlite3_errmsg(connection)))")
    }

    private func insert(_ number: Int) {
        lastID += 1
        sqlite3_bind_int64(statement, 1, lastID)
        sqlite3_bind_int64(statement, 2, 1)
        sqlite3_bind_int64(statement, 3, lastID / 1000)
        let code = lines.withBytes(number) { line in
            sqlite3_bind_text(statement, 4, line.baseAddress, Int32(line.count), logbeam_sqlite_static())
            return sqlite3_step(statement)
        }
        sqlite3_reset(statement)
        precondition(code == SQLITE_DONE, "a bare commit failed: \(String(cString: sqlite3_errmsg(connection)))")
    }

    /// The settings under which it commits, read back from its connection.
    var settings: String {
        ["page_size", "journal_mode", "synchronous", "cache_size"].map { "\($0)=\(value(of: $0))" }
            .joined(separator: " ")
    }

    private func value(of pragma: String) -> String {
        var statement: OpaquePointer?
        sqlite3_prepare_v2(connection, "PRAGMA \(pragma)", -1, &statement, nil)
        defer { sqlite3_finalize(statement) }
        guard sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0) else { return "?" }
        return String(cString: text)
    }

    private func check(_ code: Int32) throws {
        guard code == SQLITE_OK else { throw BenchError("SQLite: \(String(cString: sqlite3_errmsg(connection)))") }
    }
}

struct BenchError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
