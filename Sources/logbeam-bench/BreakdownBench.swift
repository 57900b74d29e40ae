import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging

/// Where the processor's time of one record goes, by differences between stages that are measured by themselves.
struct Breakdown: Codable {
    struct Part: Codable {
        var name: String
        var cpuMicroseconds: Double
    }

    /// Of a committed `log()`, one thread; the last is the whole.
    var log: [Part]
    /// Of what a shipping process does; the last is the whole.
    var shipping: [Part]
}

struct BreakdownBench {
    var commitBench: CommitBench
    var drainBench: DrainBench
    var sink: TLSSink
    /// That are shipped in each round.
    var records: Int
    var rounds: Int

    func run() async throws -> Breakdown {
        Breakdown(log: try await logParts(), shipping: try shippingParts())
    }

    // MARK: log()

    private func logParts() async throws -> [Breakdown.Part] {
        let directory = commitBench.directory
        let log = try LoggingCommitter(
            path: directory.file("parts-log.db"),
            lines: commitBench.lines,
            isShipping: false
        )
        let bare = try BareCommitter(path: directory.file("parts-bare.db"), lines: commitBench.lines, threads: 1)
        let scratch = try LogFile(directory.file("parts.file"))
        let messages = SampleLines.messages(commitBench.lines.all)
        let deaf = Logger(label: "bench") { _ in DeafHandler() }
        let rendering = Logger(label: "bench") { RenderingHandler(label: $0) }
        let stages = try await medians(rounds) { () throws -> [Double] in
            [
                try cpu { _ in },
                try cpu { deaf.info(messages[$0 % messages.count]) },
                try cpu { rendering.info(messages[$0 % messages.count]) },
                try cpu(calls: 10) { bare.commit($0 * 1_000..<($0 + 1) * 1_000) } / 1_000,
                try cpu { scratch.appendFrame($0) },
                try cpu { scratch.appendFrameInParts($0) },
                try commitBench.measure(bare, threads: 1).cpuMicrosecondsPerRecord,
                try commitBench.measure(log, threads: 1).cpuMicrosecondsPerRecord,
            ]
        }
        await log.end()
        let (loop, swiftLog, rendered, inserted) = (stages[0], stages[1], stages[2], stages[3])
        let (called, calledByBare) = (stages[4] - loop, stages[5] - loop)
        let (committed, logged) = (stages[6] - loop - calledByBare + called, stages[7] - loop)
        return [
            part("swift-log: making the event, calling the handler", swiftLog - loop),
            part("rendering", rendered - swiftLog),
            part("SQLite: inserting the row", inserted),
            part("system calls of a commit: four fcntl, one pwrite", called),
            part("SQLite: the rest of a commit", committed - inserted - called),
            part("the lock, the queue, room and bookkeeping", logged - committed - (rendered - loop)),
            part("log()", logged),
        ]
    }

    private func part(_ name: String, _ microseconds: Double) -> Breakdown.Part {
        Breakdown.Part(name: name, cpuMicroseconds: microseconds)
    }

    /// Of one call of this thread, in microseconds, with the reading of the clock.
    private func cpu(calls: Int? = nil, _ call: @escaping @Sendable (Int) -> Void) throws -> Double {
        let calls = try Calls.make(threads: 1, count: calls ?? commitBench.recordsPerRound, call)
        return Double(calls.cpuTime) / 1000 / Double(calls.count)
    }

    /// The median of each figure by itself.
    private func medians(_ rounds: Int, _ round: () async throws -> [Double]) async rethrows -> [Double] {
        var figures: [[Double]] = []
        // The first round fills caches and is thrown away.
        for number in 0...rounds {
            let measured = try await round()
            if number > 0 { figures.append(measured) }
        }
        return figures[0].indices.map { index in figures.map { $0[index] }.median }
    }

    // MARK: Shipping

    private func shippingParts() throws -> [Breakdown.Part] {
        let plain = try CountingSink()
        func shipped(_ ship: ShipProcess) throws -> Double {
            try (0..<rounds).map { _ in try cpuMicroseconds(ship) }.median
        }
        let (read, deleted) = try readAndDeleted()
        let toNobody = try shipped(ShipProcess())
        let overHTTP = try shipped(ShipProcess(endpointURL: plain.url))
        let overTLS = try shipped(
            ShipProcess(endpointURL: sink.url, authorityFile: sink.authorityFile, gzip: true)
        )
        return [
            part("reading headers and messages", read),
            part("deleting what is acknowledged", deleted),
            part("planning, checkpoints, and the rest", toNobody - read - deleted),
            part("encoding, signing, sending", overHTTP - toNobody),
            part("compression and TLS", overTLS - overHTTP),
            part("shipping, over TLS, with gzip", overTLS),
        ]
    }

    /// Of a process that ships so many records, without what it takes to start and to end.
    private func cpuMicroseconds(_ ship: ShipProcess) throws -> Double {
        let costs = try [0, records].map { records in
            let path = drainBench.directory.file("parts-ship.db")
            defer { DrainBench.removeSpool(path) }
            _ = try drainBench.fill(path, records: records)
            return try ship.run(path, records: records)
        }
        return (costs[1].cpuSeconds - costs[0].cpuSeconds) * 1e6 / Double(records)
    }

    /// By this thread alone: reads batch after batch, and deletes them as where nobody logs.
    private func readAndDeleted() throws -> (read: Double, deleted: Double) {
        let path = drainBench.directory.file("parts-read.db")
        defer { DrainBench.removeSpool(path) }
        _ = try drainBench.fill(path, records: records)
        let spool = try Spool(path: path)
        guard let lease = try UploadLease.acquire(spool) else { throw BenchError("the lease of \(path) is not free") }
        let (reader, batches) = (try SpoolReader(path: path), try BatchReader(path: path))
        var (read, deleted) = (UInt64(0), UInt64(0))
        var batch = EventBatch(destination: DrainBench.destination)
        var position: Int64 = 0
        var ranges: [BatchRange] = []
        while true {
            let begin = CPUClock.thread.nanoseconds
            let headers = try reader.headers(after: position, limit: 10_000, byteLimit: 870_000).headers
            guard let first = headers.first, let last = headers.last else { break }
            position = last.id
            let range = BatchRange(stream: first.stream, first: first.id, last: last.id, latest: .max)
            try batches.read(range, for: DrainBench.destination, into: &batch)
            let middle = CPUClock.thread.nanoseconds
            try lease.begin(range)
            try lease.acknowledge(range, refused: [], delivered: batch.count)
            ranges.append(range)
            read += middle - begin
            deleted += CPUClock.thread.nanoseconds - middle
        }
        // To fill the spool was to log.
        MonotonicClock.sleep(nanoseconds: 1_100_000_000)
        let begin = CPUClock.thread.nanoseconds
        guard try lease.deleteAll(of: ranges) else { throw BenchError("not all of \(path) is shipped") }
        deleted += CPUClock.thread.nanoseconds - begin
        return (Double(read) / 1000 / Double(records), Double(deleted) / 1000 / Double(records))
    }
}

/// Throws every event away.
private struct DeafHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {}
}

/// Does with an event what ``CloudWatchLogsHandler`` does before it hands the record on.
private struct RenderingHandler: LogHandler {
    var label: String
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
    func log(event: LogEvent) {
        let message = RecordFormat.text.render(
            event: event,
            label: label,
            metadata: Logger.Metadata.merged(handler: metadata, provider: nil, event: event.metadata),
            timestampMilliseconds: WallClock.milliseconds()
        )
        precondition(!message.isEmpty)
    }
}

/// A file that is written as SQLite writes its log: what strace(1) shows of one commit of one page.
private final class LogFile: Sendable {
    private let descriptor: Int32
    private let frame = [UInt8](repeating: 0x5a, count: 24 + 4_096)
    private static let frames = 8_192

    init(_ path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw BenchError("can not write \(path): \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    /// As most commits of a spool do.
    func appendFrame(_ number: Int) {
        takeLocks(2)
        frame.withUnsafeBytes {
            _ = pwrite(descriptor, $0.baseAddress, $0.count, off_t(number % Self.frames * $0.count))
        }
    }

    /// As a bare commit does.
    func appendFrameInParts(_ number: Int) {
        takeLocks(3)
        frame.withUnsafeBytes {
            let start = off_t(number % Self.frames * $0.count)
            _ = pwrite(descriptor, $0.baseAddress, 24, start)
            _ = pwrite(descriptor, $0.baseAddress! + 24, $0.count - 24, start + 24)
        }
    }

    private func takeLocks(_ count: Int) {
        for _ in 0..<count {
            for type in [F_WRLCK, F_UNLCK] {
                var lock = flock()
                (lock.l_type, lock.l_whence, lock.l_start, lock.l_len) = (Int16(type), Int16(SEEK_SET), 120, 1)
                _ = fcntl(descriptor, F_SETLK, &lock)
            }
        }
    }
}
