import Foundation
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// Many processes on one spool, killed and stopped at random.
@Suite("Eight writers and three that would upload share a spool", .serialized)
struct LeaseStormTests {
    /// `LEASE_STORM_SECONDS` asks for longer than the 3 of an ordinary run.
    private static let seconds =
        ProcessInfo.processInfo.environment["LEASE_STORM_SECONDS"].flatMap { Int($0) } ?? 3

    @Test(
        "and are killed and stopped: nothing is lost, and twice comes only what was in doubt when the lease changed hands",
        arguments: [1] as [UInt64]
    )
    func storm(seed: UInt64) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            try bed.installWitness()
            let storm = try Storm(bed, seed: seed)
            try storm.run(for: .seconds(Self.seconds))
            let logged = try storm.end()
            try bed.drain()
            try bed.expectTwiceOnlyWhatWasInDoubt(logged: logged)
            #expect(logged.count > 100)
            #expect(Set(logged).count == logged.count)
        }
    }
}

/// The processes of a storm, and what happens to them.
private final class Storm {
    private let bed: TestBed
    private var random: SeededGenerator
    private var writers: [Writer] = []
    private var uploaders: [Uploader] = []
    private var logged: [String] = []
    private var started = 0
    /// Handovers that were seen: from one that was killed, and from one that was stopped and lived on.
    private var killedHolders = 0
    private var superseded = 0

    private struct Uploader {
        var process: ChildProcess
        /// Stopped until then, or until it is superseded.
        var wakesAt: ContinuousClock.Instant?
        /// It had the lease when it was stopped.
        var wasHolder = false
    }

    private static let settings = [
        "BUFFER_MS": "20", "BATCH_COUNT": "50", "PAUSE_US": "20000", "LAPSE_MS": "1000", "COMMIT_MS": "60000",
        "EXIT_FLUSH_MS": "0",
    ]

    init(_ bed: TestBed, seed: UInt64) throws {
        self.bed = bed
        random = SeededGenerator(seed: seed)
        for _ in 0..<3 { uploaders.append(try startUploader()) }
        for _ in 0..<8 { writers.append(try startWriter()) }
    }

    private func startUploader() throws -> Uploader {
        started += 1
        return Uploader(process: try bed.startService(from: started * 1_000_000, settings: Self.settings))
    }

    private func startWriter() throws -> Writer {
        started += 1
        return try Writer(bed, name: "writer \(started)")
    }

    private var holder: Int? {
        let processID = UploadLease.holder(spool: bed.spool)?.processID
        return uploaders.firstIndex { $0.process.processIdentifier == processID }
    }

    /// Goes on for so long, and until each kind of handover was seen.
    func run(for duration: Duration) throws {
        #expect(eventually { holder != nil })
        if let holder { stop(holder, isLong: true) }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < duration || killedHolders < 1 || superseded < 1 {
            try #require(
                ContinuousClock.now - start < duration + patience,
                "killed \(killedHolders), superseded \(superseded)"
            )
            usleep(.random(in: 5_000...100_000, using: &random))
            wake()
            // Half of what happens, happens to the one that uploads.
            let index = Bool.random(using: &random) ? holder : .random(in: 0..<uploaders.count, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<2: try killWriter(.random(in: 0..<writers.count, using: &random))
            case 2: if let index { try killUploader(index) }
            case 3..<6: if let index { stop(index, isLong: .random(using: &random)) }
            default: break
            }
        }
    }

    private func killWriter(_ index: Int) throws {
        logged += try writers[index].kill()
        writers[index] = try startWriter()
    }

    /// Of those that are stopped, most are to wake up again.
    private func killUploader(_ index: Int) throws {
        guard uploaders[index].wakesAt == nil || Int.random(in: 0..<8, using: &random) == 0 else { return }
        if holder == index { killedHolders += 1 }
        try end(uploaders[index])
        uploaders[index] = try startUploader()
    }

    private func end(_ uploader: Uploader) throws {
        uploader.process.kill(SIGKILL)
        _ = try uploader.process.wait()
        logged += TestBed.logged(by: uploader.process)
    }

    /// One at least is left awake.
    ///
    /// - Parameter isLong: until it is superseded. One that is stopped in its commit is not, and holds up all others.
    private func stop(_ index: Int, isLong: Bool) {
        guard uploaders[index].wakesAt == nil, uploaders.count(where: { $0.wakesAt != nil }) < 2 else { return }
        uploaders[index].wasHolder = holder == index
        uploaders[index].process.kill(SIGSTOP)
        uploaders[index].wakesAt = .now + .milliseconds(isLong ? 4_000 : .random(in: 1...700, using: &random))
    }

    private func wake() {
        for (index, uploader) in uploaders.enumerated() {
            guard let time = uploader.wakesAt else { continue }
            let isSuperseded = uploader.wasHolder && holder.map { $0 != index } ?? false
            guard isSuperseded || time <= .now else { continue }
            if isSuperseded { superseded += 1 }
            uploaders[index].process.kill(SIGCONT)
            uploaders[index].wakesAt = nil
        }
    }

    /// Ends all processes. Returns what they had logged.
    func end() throws -> [String] {
        for uploader in uploaders { uploader.process.kill(SIGCONT) }
        for writer in writers { logged += try writer.end() }
        for uploader in uploaders { try end(uploader) }
        return logged
    }
}

/// `logbeam-spool append`, fed with numbered lines without end. It tells each line that it has committed.
private final class Writer {
    private let process: ChildProcess
    private let isEnding = Monitor(false)
    private let hasEnded = Gate()

    init(_ bed: TestBed, name: String) throws {
        process = try ChildProcess(
            BuiltProducts.executable("logbeam-spool"),
            ["append", "--spool", bed.spool, "--log-group", "group", "--log-stream", "written", "--tee"],
            environment: bed.environment
        )
        Thread.detachNewThread { [process, isEnding, hasEnded] in
            var number = 0
            while !isEnding.withLock({ $0 }) {
                let lines = (0..<5).map { "\(name) line \(number + $0)\n" }
                number += 5
                // Killed: nobody reads any more.
                guard (try? process.write(lines.joined())) != nil else { break }
                usleep(20_000)
            }
            hasEnded.open()
        }
    }

    func kill() throws -> [String] {
        process.kill(SIGKILL)
        return try end()
    }

    /// The lines that were committed.
    func end() throws -> [String] {
        isEnding.withLock { $0 = true }
        hasEnded.pass()
        process.closeInput()
        _ = try process.wait()
        // A kill may come in the midst of a line.
        return process.text().split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }
}
