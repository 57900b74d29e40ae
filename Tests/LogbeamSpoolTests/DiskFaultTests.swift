import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Lets the n-th call of SQLite to the disk fail, for every n of a short workload.
@Suite("When the disk fails at any call")
struct DiskFaultTests {
    /// What goes wrong, and how: https://www.sqlite.org/rescode.html.
    enum Trouble: CaseIterable {
        case full, shortWrite, writeError, syncError, truncateError

        func fault(first: Int, lasts: Bool) -> TestDisk.Fault {
            switch self {
            // The first half is written, as by write(2) on a disk that is nearly full.
            case .shortWrite: .init([.write], first: first, lasts: lasts, code: 13, isShort: true)
            case .full: .init([.write], first: first, lasts: lasts, code: 13)
            case .writeError: .init([.write], first: first, lasts: lasts, code: 10 | 3 << 8)
            case .syncError: .init([.sync], first: first, lasts: lasts, code: 10 | 4 << 8)
            case .truncateError: .init([.truncate], first: first, lasts: lasts, code: 10 | 6 << 8)
            }
        }
    }

    /// `DISK_FAULTS=all` asks for every call, else every eleventh is tried.
    private static let stride = ProcessInfo.processInfo.environment["DISK_FAULTS"] == "all" ? 1 : 11

    @Test(
        "a record is either returned for and there, or refused and never there, and the spool goes on",
        arguments: Trouble.allCases
    )
    func workload(trouble: Trouble) throws {
        for powerLossSafe in [false, true] {
            for lasts in [false, true] {
                var first = 1
                while try run(trouble, first: first, lasts: lasts, powerLossSafe: powerLossSafe) {
                    first += Self.stride
                }
                #expect(first > 1)
            }
        }
    }

    /// False if the workload came to its end before the fault.
    private func run(_ trouble: Trouble, first: Int, lasts: Bool, powerLossSafe: Bool) throws -> Bool {
        let comment: Comment = "\(trouble) at \(first), lasts: \(lasts), powerLossSafe: \(powerLossSafe)"
        let directory = try TemporaryDirectory.inMemory()
        let disk = TestDisk(directory: directory.path)
        let path = directory.file("spool.db")
        var workload = try FaultyWorkload(path: path, powerLossSafe: powerLossSafe)
        disk.setFault(trouble.fault(first: first, lasts: lasts))
        var isHit = false
        for step in 0..<40 {
            let refused = workload.refused.count
            workload.step(step)
            isHit = isHit || disk.failedCalls > 0
            // SQLite syncs a commit after it is whole in the log. Where that fails, a process that dies before the next
            // commit, which takes the place, leaves it to be found.
            let mayHaveMore = powerLossSafe && trouble == .syncError
            if workload.refused.count > refused {
                try checkKilled(workload, path, mayHaveMore: mayHaveMore, comment)
            }
            // Room is made.
            if disk.failedCalls >= 5 { disk.setFault(nil) }
        }
        disk.setFault(nil)
        let refused = workload.refused.count
        try workload.end()
        #expect(workload.refused.count == refused, comment)
        // What came to nothing by it is tried again.
        if trouble == .syncError, !lasts { #expect(refused == 0, comment) }
        #expect(try integrity(of: path) == "ok", comment)
        try workload.check(path, comment)
        try checkKilled(workload, path, comment)
        return isHit
    }

    /// As if the process were killed now: what the files hold, without the connections.
    private func checkKilled(
        _ workload: FaultyWorkload,
        _ path: String,
        mayHaveMore: Bool = false,
        _ comment: Comment
    ) throws {
        let copy = try TemporaryDirectory.inMemory()
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.copyItem(atPath: path + suffix, toPath: copy.file("spool.db") + suffix)
        }
        #expect(try integrity(of: copy.file("spool.db")) == "ok", comment)
        try workload.check(copy.file("spool.db"), mayHaveMore: mayHaveMore, comment)
    }

    @Test("a spool that can not be made is made by the next try, and nothing is left of the first")
    func creation() throws {
        for trouble in Trouble.allCases {
            for lasts in [false, true] {
                for first in 1... {
                    let directory = try TemporaryDirectory.inMemory()
                    let disk = TestDisk(directory: directory.path)
                    let path = directory.file("spool.db")
                    disk.setFault(trouble.fault(first: first, lasts: lasts))
                    let error = spoolError { _ = try Spool(path: path) }
                    let isHit = disk.failedCalls > 0
                    disk.setFault(nil)
                    if error != nil {
                        let left = try FileManager.default.contentsOfDirectory(atPath: directory.path)
                        #expect(left == [] || left == ["spool.db"])
                    }
                    do {
                        let spool = try Spool(path: path)
                        try spool.append("one", stream: spool.streamID(for: Destination(logGroup: "g", logStream: "s")))
                        #expect(try ids(in: path).count == 1)
                        #expect(try integrity(of: path) == "ok")
                    }
                    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["spool.db"])
                    if !isHit { break }
                }
            }
        }
    }

    @Test("a file that can not be opened is no reason to give up, the next try opens it")
    func opening() throws {
        let directory = try TemporaryDirectory.inMemory()
        let path = directory.file("spool.db")
        let disk = TestDisk(directory: directory.path)
        do { _ = try Spool(path: path) }
        for first in 1... {
            disk.setFault(.init([.open], first: first, code: 14))
            let error = spoolError { _ = try Spool(path: path) }
            let isHit = disk.failedCalls > 0
            disk.setFault(nil)
            #expect(error == nil || error?.kind == .unwritable, "\(String(describing: error))")
            #expect(isHit == (error != nil))
            _ = try Spool(path: path)
            if !isHit { break }
        }
    }

    @Test("a disk that has no room for the index of the log is full, and the next try finds nothing amiss")
    func index() throws {
        let directory = try TemporaryDirectory.inMemory()
        let path = directory.file("spool.db")
        let disk = TestDisk(directory: directory.path)
        // SQLITE_IOERR_SHMSIZE.
        let fault = TestDisk.Fault([.map], first: 1, lasts: true, code: 10 | 19 << 8)
        disk.setFault(fault)
        #expect(spoolError { _ = try Spool(path: path) }?.kind == .full)
        disk.setFault(nil)
        let spool = try Spool(path: path)
        let stream = try spool.streamID(for: Destination(logGroup: "g", logStream: "s"))
        disk.setFault(fault)
        // Its first part tells of 4,062 pages (https://www.sqlite.org/walformat.html, "The WAL-Index File Format").
        var count = 0
        let error = spoolError { while count < 5_000 { count += (try spool.append("x", stream: stream)) > 0 ? 1 : 0 } }
        #expect(error?.kind == .full)
        disk.setFault(nil)
        try spool.append("after", stream: stream)
        #expect(try ids(in: path).count == count + 1)
    }
}

/// Appends, delivers and tidies up, and remembers what came of each record.
private struct FaultyWorkload {
    private let spool: Spool
    private let reader: SpoolReader
    private let maintenance: SpoolMaintenance
    private let stream: Int64
    /// The records that the spool took, by their texts, and those of them that were delivered.
    private var taken: [String: Int64] = [:]
    private var delivered: Set<Int64> = []
    private(set) var refused: [String] = []
    /// An acknowledgement that did not come to its end.
    private var unfinished: (range: BatchRange, ids: [Int64])?

    init(path: String, powerLossSafe: Bool) throws {
        var options = Spool.Options(powerLossSafe: powerLossSafe)
        options.clock = { 0 }
        spool = try Spool(path: path, options: options)
        reader = try SpoolReader(path: path)
        maintenance = try SpoolMaintenance(spool: spool, reader: reader)
        stream = try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        for number in 0..<20 { append("before \(number)") }
    }

    mutating func step(_ number: Int) {
        append("record \(number) \(String(repeating: "x", count: number % 7 == 3 ? 9_000 : 100))")
        switch number % 10 {
        case 4: deliver()
        case 6: _ = try? maintenance.restartWAL(2)
        case 7: try? spool.write { writer throws(SpoolError) in try writer.vacuum(pages: 10) }
        case 8: deliver()
        case 9: _ = try? maintenance.restartWAL(3)
        default: break
        }
    }

    private mutating func append(_ text: String) {
        do {
            taken[text] = try spool.append(text, stream: stream)
        } catch {
            refused.append(text)
        }
    }

    private mutating func deliver() {
        do {
            if unfinished == nil {
                let ids = try reader.headers(after: 0).headers.map(\.id).prefix(5)
                guard let first = ids.first, let last = ids.last else { return }
                let range = BatchRange(stream: stream, first: first, last: last, latest: .max)
                try spool.begin(range)
                unfinished = (range, Array(ids))
            }
            guard let (range, ids) = unfinished else { return }
            try spool.acknowledgeAndFinish(range, refused: [], delivered: ids.count)
            delivered.formUnion(ids)
            unfinished = nil
        } catch {
            // The next time.
        }
    }

    /// What comes when the disk is well again.
    mutating func end() throws {
        append("after")
        deliver()
        // Each connection hears once of a sync that failed, by its own next one.
        for _ in 0..<2 { _ = try? maintenance.restartWAL(3) }
        try maintenance.restartWAL(3)
        append("at the end")
        #expect(unfinished == nil)
    }

    /// What must be found in the file, and what must not.
    ///
    /// - Parameter mayHaveMore: what was refused may have happened all the same.
    func check(_ path: String, mayHaveMore: Bool = false, _ comment: Comment) throws {
        let connection = try Connection(path: path, mode: .readOnly)
        let statement = try connection.prepare("SELECT id, message FROM records")
        var found: [String: Int64] = [:]
        while try statement.step() { found[statement.text(1)] = statement.integer(0) }
        let kept = taken.filter { !delivered.contains($0.value) }
        // Of a batch that is being deleted some may be there, and some not.
        let open = Set(unfinished?.ids ?? [])
        let lost = kept.filter { found[$0.key] != $0.value && !open.contains($0.value) }.keys.sorted()
        #expect(lost == [], comment)
        guard !mayHaveMore else { return }
        let unexpected = found.keys.filter { kept[$0] == nil }.sorted()
        #expect(unexpected == [], comment)
        guard unfinished == nil else { return }
        #expect(try connection.integer("SELECT count(*) FROM deliveries") == 0, comment)
        let counted = try connection.integer("SELECT value FROM counters WHERE name = 'delivered'")
        #expect(counted == Int64(delivered.count), comment)
    }
}
