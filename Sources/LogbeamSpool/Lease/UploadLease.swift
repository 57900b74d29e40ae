package import LogbeamCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The right to upload from a spool: one process has it at a time, and what one does that has lost it comes to nothing.
///
/// It is made of three things:
///
/// - A lock on a file beside the spool. The kernel frees it when its process ends, however it ends; the next one has it
///   within a second.
/// - A sign of life that the holder writes into that file (``beat()``), for those who stand by to see. A holder that hangs,
///   or is stopped, shows none; after the lapse it is superseded (``LeaseSeeker``): another file takes the place of the one
///   that it has locked.
/// - An epoch in the spool, which goes up whenever the lease changes hands. Every write that only the holder may make
///   looks, in its transaction, whether the epoch is still its own. So it makes no difference when, or whether, a holder
///   that was superseded learns of it.
///
/// The file and the epoch change hands in one transaction of the spool: SQLite's write lock is what decides between
/// several who want the lease at once. A process that dies in the midst leaves a file that nobody has locked, or has
/// changed nothing.
///
/// Thread-safe; comes free when its owner lets go of it.
package final class UploadLease: Sendable {
    package let spool: Spool
    /// The longest time between two beats, in milliseconds.
    package let beatInterval: Int64
    private let file: LeaseFile
    private let epoch: Int64
    private let beats: Mutex<(number: UInt64, next: Int64)>

    /// How long a holder may show no sign of life where nothing else is set.
    package static let defaultLapse = Duration.seconds(30)

    private init(spool: Spool, file: LeaseFile, epoch: Int64, lapse: Duration) {
        self.spool = spool
        self.file = file
        self.epoch = epoch
        beatInterval = Self.beatInterval(lapse)
        beats = Mutex((1, MonotonicClock.milliseconds() + beatInterval))
    }

    // MARK: Taking it

    /// The lease of a spool; `nil` if another holder has it.
    ///
    /// - Parameter lapse: after how long without a sign of life this holder may be superseded: it beats ten times as often.
    package static func acquire(_ spool: Spool, lapse: Duration = defaultLapse) throws(SpoolError) -> UploadLease? {
        let file = try LeaseFile.inPlace(ofSpool: spool.path)
        return try file.lock() ? claim(file, of: spool, lapse: lapse) : nil
    }

    /// - Parameter file: locked. Another may have taken its place since it was opened: then it is not the lease.
    static func claim(_ file: LeaseFile, of spool: Spool, lapse: Duration) throws(SpoolError) -> UploadLease? {
        let epoch = try spool.write { writer throws(SpoolError) in
            try writer.takeLease { epoch throws(SpoolError) in
                guard file.isInPlace else { return false }
                file.write(note(epoch: epoch, interval: beatInterval(lapse)), isFirst: true)
                return true
            }
        }
        return epoch.map { UploadLease(spool: spool, file: file, epoch: $0, lapse: lapse) }
    }

    /// Takes the lease, also from a holder that lives and works.
    ///
    /// - Returns: `nil` if the holder is of an earlier version, which would not know that it has lost the lease.
    package static func takeOver(_ spool: Spool, lapse: Duration = defaultLapse) throws(SpoolError) -> UploadLease? {
        if let lease = try acquire(spool, lapse: lapse) { return lease }
        return try replace(spool, lapse: lapse) { $0?.note.beat != nil }
    }

    /// Supersedes the holder that was seen; `nil` if it has shown a sign of life since, or is not the holder any more.
    static func supersede(_ sighting: LeaseSighting, of spool: Spool, lapse: Duration) throws(SpoolError)
        -> UploadLease?
    {
        try replace(spool, lapse: lapse) { $0 == sighting }
    }

    /// - Parameter mayReplace: asked about what is in place when nobody else can take the lease any more.
    private static func replace(
        _ spool: Spool,
        lapse: Duration,
        if mayReplace: (LeaseSighting?) -> Bool
    ) throws(SpoolError) -> UploadLease? {
        var file: LeaseFile?
        let epoch = try spool.write { writer throws(SpoolError) in
            try writer.takeLease { epoch throws(SpoolError) in
                guard mayReplace(sighting(spool.path)) else { return false }
                file = try LeaseFile.replacement(
                    ofSpool: spool.path,
                    note: note(epoch: epoch, interval: beatInterval(lapse))
                )
                return true
            }
        }
        guard let file, let epoch else { return nil }
        return UploadLease(spool: spool, file: file, epoch: epoch, lapse: lapse)
    }

    /// What is to be seen of the lease of the spool at a path; `nil` if there is no file.
    static func sighting(_ path: String) -> LeaseSighting? {
        LeaseFile.existing(ofSpool: path).map { LeaseSighting(file: $0.identity, note: $0.note) }
    }

    private static func note(epoch: Int64, number: UInt64 = 0, interval: Int64) -> LeaseNote {
        let beat = LeaseNote.Beat(epoch: epoch, number: number, interval: interval)
        return LeaseNote(processID: getpid(), host: hostName(), beat: beat)
    }

    private static func beatInterval(_ lapse: Duration) -> Int64 {
        min(max(100, lapse.milliseconds / 10), LeaseNote.longestInterval)
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Keeping it

    /// Shows a sign of life, if it is time for one. To be called by the upload loop, wherever it comes by: whether the loop
    /// goes on is what others want to know. Costs no commit.
    ///
    /// - Returns: false if the lease is lost.
    package func beat() -> Bool {
        let now = MonotonicClock.milliseconds()
        let number: UInt64? = beats.withLock { beats in
            guard now >= beats.next else { return nil }
            defer { beats = (beats.number + 1, now + beatInterval) }
            return beats.number
        }
        if let number { file.write(Self.note(epoch: epoch, number: number, interval: beatInterval)) }
        return isInPlace
    }

    /// False if the lease is lost: another has put its file in place of ours, or is about to. Asks the file system alone,
    /// and waits for nobody.
    package var isInPlace: Bool { !file.isReplaced }

    /// Throws if the lease is lost.
    ///
    /// - Parameter reader: the calling thread's own: the look waits for no lock.
    package func check(_ reader: SpoolReader) throws(SpoolError) {
        guard try reader.leaseEpoch() == epoch else {
            throw .superseded(spool.path)
        }
    }

    // MARK: Delivering

    // What has lost the lease throws ``SpoolError/Kind/superseded``, and has changed nothing.

    /// Writes down that a batch is about to be sent, so that after a crash it is known what is in doubt.
    package func begin(_ range: BatchRange) throws(SpoolError) {
        try spool.begin(range, in: epoch)
    }

    /// Takes back ``begin(_:)``: the service answered, and has not taken the batch.
    ///
    /// - Parameter parts: what is in doubt instead.
    package func abandon(_ range: BatchRange, for parts: [BatchRange] = []) throws(SpoolError) {
        try spool.abandon(range, for: parts, in: epoch)
    }

    /// Writes down that the service has a batch, and moves what it refused of it to `rejected`, in one transaction. Its
    /// records stay until ``deleteSlice(of:from:)``, ``finish(_:ids:showsLife:)`` or ``deleteAll(of:)`` deletes them; if the
    /// process dies before, the next one does. Nothing of it is sent again. If the call throws, it may be made again.
    /// ``begin(_:)`` must have come before.
    package func acknowledge(_ range: BatchRange, refused: [RefusedRecord], delivered: Int) throws(SpoolError) {
        try spool.acknowledge(range, refused: refused, delivered: delivered, in: epoch)
    }

    /// Deletes the next records of an acknowledged batch, from an id on: 4,000 at the most, or 500 where somebody logs. Returns
    /// where the next slice starts; `nil` when all are gone.
    package func deleteSlice(of range: BatchRange, from start: Int64) throws(SpoolError) -> Int64? {
        try spool.deleteSlice(of: range, from: start, in: epoch)
    }

    /// Deletes all records at once, if all of them are of some acknowledged batches and nobody has logged for a second. False
    /// if not.
    ///
    /// - Parameter ranges: each holds every row of the spool from its first record to its last.
    package func deleteAll(of ranges: [BatchRange]) throws(SpoolError) -> Bool {
        try spool.deleteAll(of: ranges, in: epoch)
    }

    /// Whether there was so much room when a batch was last acknowledged that its records need not be deleted at once.
    package var hasAmpleRoom: Bool { spool.hasAmpleRoom.load(ordering: .relaxed) }
    /// Whether others waited when the last slice was deleted.
    package var deletionIsAwaited: Bool { spool.deletionIsAwaited.load(ordering: .relaxed) }

    /// Deletes what is left of an acknowledged batch, slice by slice. If a call throws, the same call may be made again.
    ///
    /// - Parameters:
    ///   - ids: those of its records, ascending, to look for each of them; empty to look through the range.
    ///   - showsLife: whether it is the upload loop that comes by here, and beats after each slice.
    package func finish(_ range: BatchRange, ids: [Int64] = [], showsLife: Bool = true) throws(SpoolError) {
        try spool.finish(range, ids: ids, in: epoch) { if showsLife { _ = beat() } }
    }

    /// Moves records that can not be sent to `rejected`, slice by slice. If a call throws, the same call may be made again.
    package func reject(_ records: [RefusedRecord]) throws(SpoolError) {
        try spool.reject(records, in: epoch) { _ = beat() }
    }

    /// Notes why a stream is not getting through, and how many deliveries of it failed in a row. The next acknowledgement
    /// clears the note.
    ///
    /// - Parameter time: when the last of them failed, in milliseconds since 1970-01-01T00:00:00Z.
    package func noteFailure(stream: Int64, message: String, failures: Int, time: Int64) throws(SpoolError) {
        try spool.noteFailure(stream: stream, message: message, failures: failures, time: time, in: epoch)
    }
}
