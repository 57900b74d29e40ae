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
    init(
        path: String,
        lines: SampleLines,
        isShipping: Bool,
        durability: LogShipper.Configuration.Durability = .processCrash,
        errorEvery: Int = .max
    ) throws {
        self.path = path
        self.errorEvery = errorEvery
        let service: any DeliveryService = isShipping ? Taker() : ScriptedDeliveryService(gate: Gate())
        let configuration = LogShipper.Configuration(
            logGroupName: "bench",
            logStreamName: "bench",
            spool: path,
            bufferDuration: .seconds(isShipping ? 10 : 3600),
            batchCount: isShipping ? 10_000 : 1,
            exitFlushTimeout: .zero,
            durability: durability
        )
        shipper = try LogShipper(configuration, service: service)
        logger = Logger(label: "bench") { [shipper] label in CloudWatchLogsHandler(label: label, shipper: shipper) }
        let prefix = "INFO bench: "
        messages = lines.all.map { Logger.Message(stringLiteral: String($0.dropFirst(prefix.utf8.count))) }
        if let held = service as? ScriptedDeliveryService {
            commit(0)
            guard held.waitForBatches(1) else { throw BenchError("the uploader does not send") }
        }
    }

    func commit(_ number: Int) {
        let level = number % errorEvery == errorEvery - 1 ? Logger.Level.error : .info
        logger.log(level: level, messages[number % messages.count])
    }

    func end() async {
        await shipper.shutdown(timeout: .zero)
    }

    private final class Taker: DeliveryService {
        func send(_ batch: EventBatch) -> DeliveryOutcome { .accepted(.none) }
        func create(_ destination: Destination) -> DeliveryOutcome { .accepted(.none) }
        func cancel() {}
    }
}

/// The floor: the same rows into the same tables by SQLite's C functions and nothing else. Several threads take turns
/// behind a lock.
// @unchecked: the handles are used by one thread, or under the lock.
final class BareCommitter: Committer, @unchecked Sendable {
    let path: String
    private let lock: NSLock?
    private let lines: SampleLines
    private var connection: OpaquePointer?
    private var insert: OpaquePointer?
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
        try check(sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &insert, nil))
        lastID = WallClock.microseconds()
    }

    deinit {
        sqlite3_finalize(insert)
        sqlite3_close_v2(connection)
    }

    func commit(_ number: Int) {
        lock?.lock()
        defer { lock?.unlock() }
        lastID += 1
        sqlite3_bind_int64(insert, 1, lastID)
        sqlite3_bind_int64(insert, 2, 1)
        sqlite3_bind_int64(insert, 3, lastID / 1000)
        let code = lines.withBytes(number) { line in
            sqlite3_bind_text(insert, 4, line.baseAddress, Int32(line.count), logbeam_sqlite_static())
            return sqlite3_step(insert)
        }
        sqlite3_reset(insert)
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
