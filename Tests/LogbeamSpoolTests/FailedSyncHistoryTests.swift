import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Two processes share a spool: one syncs each commit, the other where it is asked to. Syncs fail at random.
@Suite("While syncs of two processes fail")
struct FailedSyncHistoryTests {
    /// An ordinary run has few histories; `FAILED_SYNC_SEEDS` asks for so many.
    private static let seeds = ProcessInfo.processInfo.environment["FAILED_SYNC_SEEDS"].flatMap(UInt64.init) ?? 8

    @Test("what is promised to be on the disk is there after a power cut at any time, and the spool is sound")
    func anyHistory() throws {
        var failures = 0
        // In the first, a connection that syncs was opened after another process's sync had failed.
        for seed in [85] + Array(1...Self.seeds) {
            var history = try History(seed: seed)
            for _ in 0..<60 { try history.step() }
            failures += history.failures
        }
        #expect(failures > 0)
    }
}

private struct History {
    private final class Process {
        let spool: Spool
        let maintenance: SpoolMaintenance

        init(path: String, syncsCommits: Bool, limit: SpoolLimit?) throws {
            var options = Spool.Options(powerLossSafe: syncsCommits, limit: limit)
            options.clock = { 0 }
            spool = try Spool(path: path, options: options)
            maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: path))
        }
    }

    private(set) var failures = 0
    private let seed: UInt64
    private let directory: TemporaryDirectory
    private let path: String
    private let disk: TestDisk
    private var state = DiskAfterPowerCut()
    private var applied = 0
    /// With one, commits copy the log when it has become long; it is so small that it does.
    private let limit: SpoolLimit?
    private var random: SeededGenerator
    /// The first syncs no commit.
    private var processes: [Process?] = [nil, nil]
    private var reader: Connection?
    private var stream: Int64 = 0
    private var steps: [String] = []
    private var committed: Set<Int64> = []
    private var promised: Set<Int64> = []

    init(seed: UInt64) throws {
        self.seed = seed
        random = SeededGenerator(seed: seed)
        limit = seed.isMultiple(of: 2) ? SpoolLimit(bytes: 4 << 20, whenFull: .dropNewest) : nil
        directory = try .inMemory()
        path = directory.file("spool.db")
        disk = TestDisk(directory: directory.path)
        for index in processes.indices { try open(index) }
        stream = try process(0).spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
        try process(0).spool.sync()
    }

    private func process(_ index: Int) throws -> Process { try #require(processes[index]) }

    private mutating func open(_ index: Int) throws {
        processes[index] = nil
        // Where the disk does not take it, it is tried again.
        do {
            processes[index] = try Process(path: path, syncsCommits: index == 1, limit: limit)
        } catch {
            disk.setFault(nil)
            processes[index] = try Process(path: path, syncsCommits: index == 1, limit: limit)
        }
    }

    mutating func step() throws {
        let fails = Int.random(in: 0..<3, using: &random) == 0
        if fails {
            let first = Int.random(in: 1...4, using: &random)
            disk.setFault(.init([.sync], first: first, lasts: Bool.random(using: &random), code: 10 | 4 << 8))
        }
        let index = Int.random(in: 0...1, using: &random)
        let action = Int.random(in: 0..<(limit == nil ? 100 : 110), using: &random)
        steps.append("\(action) by \(index)\(fails ? ", failing" : "")")
        try act(action, index)
        failures += disk.failedCalls
        disk.setFault(nil)
        try check()
    }

    private mutating func act(_ action: Int, _ index: Int) throws {
        let process = try process(index)
        switch action {
        case ..<50:
            let message = [UInt8](repeating: 120, count: 3_000)
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                guard let id = try? process.spool.append(message, stream: stream) else { continue }
                committed.insert(id)
                if index == 1 { promised.insert(id) }
            }
        case ..<60:
            let before = committed
            if (try? process.spool.sync()) != nil { promised.formUnion(before) }
        case ..<85:
            _ = try? process.maintenance.restartWAL(Int32.random(in: 0...3, using: &random))
        case ..<93:
            if reader == nil {
                let new = try SpoolFile.openForReading(path: path)
                try new.execute("BEGIN")
                _ = try new.integer("SELECT max(id) FROM records")
                reader = new
            } else {
                reader = nil
            }
        case ..<100: try open(index)
        default:
            // The last one to close copies the log, and deletes it.
            reader = nil
            for index in [index, 1 - index] { processes[index] = nil }
            for index in processes.indices { try open(index) }
        }
    }

    /// Cuts the power when nothing is left that was not synced, but what was deleted is gone or not, and when anything may be.
    private mutating func check() throws {
        let events = disk.events
        for event in events[applied...] { state.apply(event) }
        applied = events.count
        var withNames = state
        withNames.apply(.syncDirectory)
        for (state, fate) in [(state, DiskAfterPowerCut.Fate.allLost), (withNames, .allLost), (state, .somePagesLost)] {
            let image = try TemporaryDirectory.inMemory()
            for (name, bytes) in state.files(fate, using: &random) {
                try Data(bytes).write(to: URL(fileURLWithPath: image.file(name)))
            }
            let place = image.file("spool.db")
            _ = try Spool(path: place)
            let integrity = try integrity(of: place)
            let lost = try promised.subtracting(ids(in: place))
            try #require(integrity == "ok" && lost.isEmpty, "seed \(seed), \(fate), \(lost.count) lost: \(steps)")
        }
    }
}
