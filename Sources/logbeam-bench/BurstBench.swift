import Foundation
import LogbeamSpool
import LogbeamTestSupport

/// What a spool took on the disk at a moment, without the file of a journal, which keeps its two megabytes.
struct SpoolSize: Codable {
    /// Since the file was there.
    var seconds: Double
    var databaseBytes: Int
    /// Of the write-ahead log.
    var walBytes: Int

    var bytes: Int { databaseBytes + walBytes }
}

/// Records as fast as they go, more than can be shipped meanwhile.
struct BurstFigures: Codable {
    var handler: Handler
    var threads: Int
    var figures: HandlerFigures
    /// Until some seconds after the last record was acknowledged. Empty for a handler that has no spool.
    var sizes: [SpoolSize]

    var largestBytes: Int { sizes.map(\.bytes).max() ?? 0 }
}

struct BurstBench {
    static let handlers: [Handler] = [.logbeam, .logbeamJournal, .pythonLogbeam, .watchtower]

    var process: HandlerProcess
    var lines: SampleLines
    var records: Int

    func run(_ handler: Handler, threads: Int) throws -> BurstFigures {
        let load = HandlerProcess.Load(lines: lines, threads: threads, records: records, linger: 3)
        let sizes = Monitor([SpoolSize]())
        let figures = try process.run(handler, load) { spool in
            guard handler.isLogbeam else { return {} }
            return Self.watch(spool, sizes)
        }
        return BurstFigures(handler: handler, threads: threads, figures: figures, sizes: sizes.withLock { $0 })
    }

    /// Looks at the files of a spool ten times a second. Returns what ends that.
    private static func watch(_ spool: String, _ sizes: Monitor<[SpoolSize]>) -> () -> Void {
        let isOver = Monitor(false)
        Thread.detachNewThread {
            var begin: UInt64?
            while isOver.wait(within: .milliseconds(100), for: { $0 ? true : nil }) == nil {
                guard let database = size(of: spool) else { continue }
                let start = begin ?? MonotonicClock.nanoseconds()
                begin = start
                let size = SpoolSize(
                    seconds: secondsSince(start),
                    databaseBytes: database,
                    walBytes: size(of: spool + "-wal") ?? 0
                )
                sizes.withLock { $0.append(size) }
            }
        }
        return { isOver.withLock { $0 = true } }
    }

    private static func size(of file: String) -> Int? {
        var status = stat()
        return stat(file, &status) == 0 ? Int(status.st_size) : nil
    }
}
