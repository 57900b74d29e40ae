import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("A running service whose spool is damaged")
struct DamageStormTests {
    /// `SERVICE_DAMAGE_SEEDS` asks for more than the 6 of an ordinary run.
    private static let seeds = ProcessInfo.processInfo.environment["SERVICE_DAMAGE_SEEDS"].flatMap { UInt64($0) } ?? 6
    /// So many services run at the same time.
    private static let lanes: UInt64 = 2

    @Test(
        "goes on, and what it logs afterwards arrives; what it logged before arrives, or is set aside",
        arguments: 1...lanes
    )
    func storm(lane: UInt64) async throws {
        try await onOwnThread {
            for seed in stride(from: lane, through: Self.seeds, by: Int(Self.lanes)) { try Self.storm(seed: seed) }
        }
    }

    private static func storm(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let bed = try TestBed()
        let service = try bed.startExerciser("live", 4)
        try service.waitForLines(Int.random(in: 50...3_000, using: &random))
        let damage = try Damage(bed.spool, &random)
        let note: Comment = "seed \(seed): \(damage.description)"

        // What harms nobody, because the log has the page anew, say, is noticed by nobody.
        let isNoticed = service.hasReported(within: damage.isAlwaysNoticed ? .seconds(60) : .seconds(2))
        #expect(isNoticed || !damage.isAlwaysNoticed, note)
        let before = try service.linesBeforeAnswer()
        try service.waitForLines(before + 300)
        // What is not moved when a process ends, ends with an unlinked file.
        if damage.leavesRecords {
            let hasArrived = bed.waitForArrival(of: Set(service.lines))
            #expect(hasArrived, "\(note): \(service.text(.standardError))")
        }
        service.closeInput()
        #expect(try service.wait().exitCode == 0, note)

        let lines = service.lines
        let report = Report(service.text(.standardError))
        #expect(report.told.count <= 2, "\(note): \(report.told)")
        #expect(report.told.allSatisfy { $0.contains("logging goes on") }, "\(note): \(report.told)")
        let drain = try bed.startDrain()
        let drained = try drain.wait().exitCode
        if isNoticed { #expect(drained == 0, note) }
        if isNoticed { #expect(drain.text(.standardError) == "", note) }
        // `drain` says that the spool is damaged, and so does everyone who reads it: nothing is lost in silence.
        let isDamagedNow = try bed.hasSpool && !bed.isSound()
        #expect(!isNoticed || !isDamagedNow, note)
        // Without a spool: the service was about to make a new one when it ended.
        var isLossKnown = isDamagedNow || !bed.hasSpool
        if isNoticed {
            // Of each thread all but the first: that may have been on its way to the old file.
            let threads = Dictionary(grouping: lines.dropFirst(before)) { $0.prefix { $0 != " " } }.values
            let late = Set(threads.flatMap { $0.dropFirst() }).subtracting(bed.arrived()).subtracting(report.unspooled)
            #expect(late.isEmpty, "\(note): \(late.sorted().prefix(3))")
        }
        for file in try bed.setAside() + (isDamagedNow ? [bed.spool] : []) {
            isLossKnown = try bed.salvage(file) || isLossKnown
        }
        let arrived = Set(bed.arrived())
        let missing = Set(lines).subtracting(arrived).subtracting(report.unspooled)
        // A message that was damaged in itself arrives, as another one.
        let altered = arrived.subtracting(lines).count
        #expect(missing.count <= altered || isLossKnown, "\(note): \(missing.count), \(missing.sorted().prefix(3))")
        if damage.leavesRecords { #expect(missing.isEmpty, note) }
        #expect(report.unspooled.isEmpty || !damage.leavesRecords, note)
    }

    /// What the service wrote to standard error.
    private struct Report {
        var told: [String] = []
        /// The records that it could not spool.
        var unspooled: Set<String> = []

        init(_ text: String) {
            for line in text.split(separator: "\n") {
                if line.contains("records that are not spooled follow") { continue }
                if line.contains("not spooled: "), let colon = line.range(of: ": ", options: .backwards) {
                    unspooled.insert(String(line[colon.upperBound...]))
                } else {
                    told.append(String(line))
                }
            }
        }
    }
}

/// One thing that is done to the file of a spool.
private struct Damage {
    let description: String
    /// Whether all that was in it can still be read by those who have it open.
    var leavesRecords = false
    var isAlwaysNoticed = false

    init(_ path: String, _ random: inout SeededGenerator) throws {
        let suffix = ["", "-wal"].randomElement(using: &random) ?? ""
        let size = try FileManager.default.attributesOfItem(atPath: path + suffix)[.size] as? Int ?? 0
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            let gone = ["", "-wal", "-shm"].randomElement(using: &random) ?? ""
            try FileManager.default.removeItem(atPath: path + gone)
            (description, leavesRecords, isAlwaysNoticed) = ("deleted \(gone)", true, true)
        case 1:
            let other = path + "-other"
            let bytes = Int.random(in: 0...20_000, using: &random)
            let content = Data((0..<bytes).map { _ in UInt8.random(in: 0...255, using: &random) })
            try content.write(to: URL(fileURLWithPath: other))
            guard rename(other, path) == 0 else { throw SystemError("rename") }
            (description, leavesRecords, isAlwaysNoticed) = ("replaced by \(bytes) bytes", true, true)
        case 2:
            let length = Int.random(in: 0...size, using: &random)
            guard truncate(path + suffix, off_t(length)) == 0 else { throw SystemError("truncate") }
            description = "cut \(suffix) from \(size) to \(length)"
        case 3:
            let offset = Int.random(in: 0..<max(1, size / 4_096), using: &random) * 4_096
            try Self.write([(offset, [UInt8](repeating: 0, count: 4_096))], to: path + suffix)
            description = "zeros in \(suffix) at \(offset)"
        default:
            let count = [1, 5, 50, 500].randomElement(using: &random) ?? 1
            let parts = (0..<count).map { _ in
                let byte = UInt8.random(in: 0...255, using: &random)
                return (Int.random(in: 0..<max(1, size), using: &random), [byte])
            }
            try Self.write(parts, to: path + suffix)
            description = "\(count) bytes changed in \(suffix), \(size) bytes long"
        }
    }

    /// All to the file that lies there now: the service may set it aside after the first.
    private static func write(_ parts: [(offset: Int, bytes: [UInt8])], to path: String) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        for part in parts {
            try file.seek(toOffset: UInt64(part.offset))
            try file.write(contentsOf: Data(part.bytes))
        }
        try file.close()
    }
}

extension ChildProcess {
    /// The records that it has logged.
    fileprivate var lines: [String] { text().split(separator: "\n").map(String.init).filter { !$0.hasPrefix("did ") } }

    /// How many of its lines it wrote before now. Those of them that are still in the pipe count too: another thread reads
    /// them than reads what it reports.
    fileprivate func linesBeforeAnswer() throws -> Int {
        let answer = "did true\n"
        try write("true\n")
        let text = try waitForOutput { $0.contains(answer) }
        return text.prefix(upTo: text.range(of: answer)!.lowerBound).count { $0 == "\n" }
    }

    /// Whether it has told within some time that its spool has another file.
    fileprivate func hasReported(within limit: Duration) -> Bool {
        (try? waitForOutput(.standardError, within: limit) { $0.contains("logging goes on") }) != nil
    }
}
