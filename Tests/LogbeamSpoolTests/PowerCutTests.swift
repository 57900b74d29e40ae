import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Writes down what a spool does to its files, and looks at what a power cut at any moment may leave of them.
@Suite("After a power cut")
struct PowerCutTests {
    /// Of a history in which the log and the file take every turn.
    private static let firstSeed: UInt64 = 7

    /// An ordinary run cuts one history at 25 places; `POWER_CUTS` asks for so many histories, cut everywhere.
    @Test("the spool opens, is whole, and lacks nothing that was promised", arguments: PowerCutHistory.Level.allCases)
    func anywhere(level: PowerCutHistory.Level) throws {
        let histories = ProcessInfo.processInfo.environment["POWER_CUTS"].flatMap(UInt64.init)
        for seed in Self.firstSeed..<Self.firstSeed + max(1, histories ?? 1) {
            let history = try PowerCutHistory(level: level, seed: seed)
            if seed == Self.firstSeed {
                let turns = history.turns
                #expect(turns.deletions > 0 && turns.cuts > 0 && turns.shrinkings > 0, "\(turns)")
                #expect(turns.beginnings > 2 * turns.cuts, "\(turns)")
            }
            var random = SeededGenerator(seed: seed)
            let cuts = (0...history.events.count).shuffled(using: &random)
            var replay = try PowerCutReplay(history, level: level, seed: seed)
            do {
                try replay.run(cuts: histories == nil ? cuts.prefix(25).sorted() : cuts.sorted())
            } catch {
                Issue.record(error, "seed \(seed)")
            }
        }
    }

    /// There the spool is not made beside its place, so a cut may leave half of it. Nothing was promised by then.
    @Test("a spool that was being made where an empty file lay opens, or is called no spool and left alone")
    func inPlace() throws {
        let directory = try TemporaryDirectory.inMemory()
        let path = directory.file("spool.db")
        try Data().write(to: URL(fileURLWithPath: path))
        let disk = TestDisk(directory: directory.path)
        do { _ = try Spool(path: path) }
        var random = SeededGenerator(seed: 1)
        var state = DiskAfterPowerCut()
        for event in disk.events {
            state.apply(event)
            for fate in DiskAfterPowerCut.Fate.allCases {
                let image = try TemporaryDirectory.inMemory()
                let files = state.files(fate, using: &random)
                for (name, bytes) in files {
                    try Data(bytes).write(to: URL(fileURLWithPath: image.file(name)))
                }
                if let error = spoolError({ _ = try Spool(path: image.file("spool.db")) }) {
                    #expect(error.kind == .notASpool)
                    for (name, bytes) in files {
                        #expect(FileManager.default.contents(atPath: image.file(name)) == Data(bytes))
                    }
                } else {
                    #expect(try integrity(of: image.file("spool.db")) == "ok")
                }
            }
        }
    }

    #if os(Linux)
    @Test("a new spool is still in its directory, and that in its own: each is synced once the name is in it")
    func directories() throws {
        let directory = try TemporaryDirectory()
        let trace = directory.file("trace")
        let process = try ChildProcess(
            "/usr/bin/env",
            [
                "strace", "-f", "-y", "-qq", "-s", "1000", "-e", "trace=mkdir,mkdirat,link,linkat,fsync", "-o", trace,
                BuiltProducts.executable("logbeam-spool-exerciser"), "join", directory.file("new/newer/spool.db"), "1",
            ]
        )
        process.closeInput()
        #expect(try process.wait(within: patience).exitCode == 0, "\(process.text(.standardError))")
        let calls = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
        for (call, name, parent) in [
            ("mkdir", "/new\"", ""), ("mkdir", "/new/newer\"", "/new"), ("link", "/new/newer/spool.db\"", "/new/newer"),
        ] {
            let made = try #require(
                calls.firstIndex { $0.contains(call) && $0.contains(directory.path + name) && $0.hasSuffix("= 0") }
            )
            let isSynced = calls[made...].contains {
                $0.contains("fsync(") && $0.contains("<\(directory.path)\(parent)>")
            }
            #expect(isSynced, "\(name)")
        }
    }
    #endif
}
