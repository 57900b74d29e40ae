internal import LogbeamCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

extension LiveSpool {
    /// How long the process that uploads waits for the answers to what is on its way from a file that is in use no more, in
    /// milliseconds: what is not answered by then is in doubt in the new one too.
    package static let answerGrace: Int64 = 5_000
    /// For so long a file is left to that process, in nanoseconds: it has noticed by then and its answers have come, or it
    /// never will.
    private static let grace = UInt64(answerGrace) * 1_000_000 + 3_000_000_000

    /// Whether there is anything to move.
    package var hasRetired: Bool { anyRetired.load(ordering: .acquiring) }

    /// Moves what is pending in files that are in use no more into the one that is, and lets them go. Does nothing where
    /// there is nothing to do, at the cost of a load; otherwise takes time that grows with what is pending.
    ///
    /// - Parameters:
    ///   - holdsLease: nobody else uploads from these files, nor from the one in use. Without it only those are moved
    ///     that have no name any more, so that no other process can ever open them, and those of which the process that
    ///     uploads has moved what was there before.
    ///   - waitsForUploader: waits until the process that uploads has had its chance.
    ///   - isWanted: asked all the time, so that it may show a sign of life. When it says no, as the lease is lost,
    ///     nothing more is moved.
    /// - Returns: whether nothing is left to do.
    @discardableResult
    package func moveRetired(
        holdsLease: Bool,
        waitsForUploader: Bool = true,
        while isWanted: () -> Bool = { true }
    ) -> Bool {
        guard hasRetired else { return true }
        guard !isMovingRetired.exchange(true, ordering: .acquiring) else { return false }
        defer { isMovingRetired.store(false, ordering: .releasing) }
        for retired in withRepairs({ $0.retired }) ?? [] {
            let isRipe =
                holdsLease || !waitsForUploader || !retired.leavesRecords
                || MonotonicClock.nanoseconds() >= retired.since &+ Self.grace
            guard isRipe, waitUntilUnused(retired.generation, while: isWanted) else { continue }
            guard ForkGate.pass({ move(retired, holdsLease: holdsLease, while: isWanted) }) else { continue }
            withRepairs { repairs in
                repairs.retired.removeAll { $0.generation === retired.generation }
                if repairs.retired.isEmpty { anyRetired.store(false, ordering: .releasing) }
            }
            ForkGate.pass { retired.generation.letGo() }
        }
        return !hasRetired
    }

    /// Threads that are at work in a file leave it after the commit timeout, or a few commits more. False if they have
    /// not, or `isWanted` says no.
    private func waitUntilUnused(_ generation: Generation, while isWanted: () -> Bool) -> Bool {
        let deadline = deadline
        guard isWanted() else { return false }
        while generation.users.load(ordering: .sequentiallyConsistent) > 0 {
            guard isWanted(), MonotonicClock.nanoseconds() < deadline else { return false }
            MonotonicClock.sleep(nanoseconds: 100_000)
        }
        return true
    }

    /// True if the file can be let go.
    private func move(_ retired: Retired, holdsLease: Bool, while isWanted: () -> Bool) -> Bool {
        guard let old = try? retired.generation.spool else { return true }
        let successor = current
        // It came back, with its log: its records are where they belong.
        if retired.generation.main == successor.main, retired.generation.log == successor.log { return true }
        // Whoever uploads has moved what was there, and does not come back for what was logged before this process looked.
        let moved = AppendProgress.moved(intoFile: successor.main.inode)
        guard retired.leavesRecords, holdsLease || !retired.hasName || (try? old.value(of: moved)) == moved.value else {
            _ = try? old.truncateWAL()
            return true
        }
        do throws(SpoolError) {
            var carryOver = CarryOver(old: old, new: try successor.spool, holdsLease: holdsLease)
            guard try carryOver.run(while: { isWanted() && !ForkGate.isAwaited }) else { return false }
            if holdsLease, retired.hasName { try? old.note(moved) }
            try old.truncateWAL()
            for file in retired.leftovers { unlink(file) }
            return true
        } catch {
            return giveUp(retired, old, after: error)
        }
    }

    /// Counts as lost what can not be read. False if that is to be tried again, for it is not the old file's fault.
    private func giveUp(_ retired: Retired, _ old: Spool, after error: SpoolError) -> Bool {
        guard error.isSuspicious else { return false }
        // The new file may be the one that is damaged; where that can not be told now, it is asked again.
        let successor = current
        var isSound = false
        _ = mend(successor) {
            isSound = !replaceIfDamaged(successor)
            return !isSound
        }
        guard isSound else { return false }
        var lost: [(destination: Destination, gap: Gap)] = []
        do throws(SpoolError) {
            lost = try old.pendingByStream()
            try noteGaps(lost)
        } catch {
            // Known, and not noted: that is tried again.
            if !lost.isEmpty { return false }
        }
        let count = lost.isEmpty ? "an unknown number of" : "\(lost.reduce(0) { $0 + $1.gap.records })"
        let remedy =
            retired.leftovers.first.map { "; 'logbeam-spool salvage \($0)' may find some of them" } ?? ""
        report("\(count) records of the old spool \(path) can not be read (\(error))\(remedy)")
        return true
    }
}
