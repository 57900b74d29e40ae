internal import Synchronization

/// What a ``LiveSpool`` knows of the files that it had. Touched with its mending lock held.
final class Repairs: @unchecked Sendable {
    /// Those that are in use, and what is left of those that were.
    var generations: [Generation] = []
    /// Those that are not in use any more, and not yet let go.
    var retired: [Retired] = []
    /// The last thing that could not be mended: told once.
    var lastFailure: String?
    /// What was put out of the way for a new file that could not be made yet.
    var leftovers: [String] = []
    /// Before this time nothing is tried again, in nanoseconds of ``MonotonicClock``.
    var nextTry: UInt64 = 0
}

/// A file that is in use no more.
struct Retired {
    var generation: Generation
    /// When it was replaced, in nanoseconds of ``MonotonicClock``.
    var since: UInt64
    /// Whether what is pending in it is to be moved into the new file.
    var leavesRecords: Bool
    /// Whether it lies somewhere, under whatever name.
    var hasName: Bool
    /// What is left of it, and useless once all was moved.
    var leftovers: [String] = []
}

extension LiveSpool {
    /// After a failure nothing is tried again for so long, in nanoseconds: a disk that fails must not be asked at every
    /// record.
    private static let pause: UInt64 = 100_000_000

    // MARK: Opening

    /// Opens a spool, or makes one; what is damaged, and in its place, is set aside. Whoever makes no spools sets
    /// nothing aside.
    ///
    /// - Parameter replacesForeign: whether this is done with a file too that is no spool, and shows no trace of one.
    static func open(
        _ path: String,
        _ options: Spool.Options,
        replacesForeign: Bool,
        _ report: (String) -> Void
    ) throws(SpoolError) -> Generation {
        var lastError = SpoolError(.busy, path: path, message: "the file is replaced again and again")
        for _ in 0..<10 {
            let found = FileIdentity(path)
            do throws(SpoolError) {
                if let generation = try Generation(Spool(path: path, options: options)) { return generation }
            } catch {
                // Whose file it is, the uploader's tells that lies beside it: nobody else makes such a one.
                let isOurs = replacesForeign || FileIdentity(path + "-uploader") != nil
                guard options.create, error.isSuspicious, error.kind != .notASpool || isOurs,
                    FileIdentity.look(at: path) != .other
                else {
                    throw error
                }
                lastError = error
                let deadline = MonotonicClock.nanoseconds() &+ options.commitTimeout.nanoseconds
                guard let place = try Quarantine.setAside(path, expected: found, until: deadline) else { continue }
                report(
                    "what lay at \(path) is no sound spool (\(error.message)), and was set aside as \(place)"
                        + "; \(Self.advice(place, path)); logging goes on in a new spool"
                )
            }
        }
        throw lastError
    }

    private static func advice(_ place: String, _ path: String) -> String {
        "'logbeam-spool salvage \(place) --into \(path)' takes back what is readable"
    }

    // MARK: Replacing. With the mending lock held, and the generation being current.

    /// What an error of an operation leads to. True if the file was replaced.
    func replace(_ generation: Generation, after error: SpoolError, isThorough: Bool) -> Bool {
        guard MonotonicClock.nanoseconds() >= repairs.nextTry else { return false }
        defer { repairs.nextTry = MonotonicClock.nanoseconds() &+ Self.pause }
        if let trouble = FileTrouble.look(at: path, generation, isThorough: isThorough) {
            return replace(generation, because: trouble)
        }
        guard error.isSuspicious else { return false }
        if let damage = probe(isThorough: isThorough) {
            return replace(generation, because: .damaged(damage.message))
        }
        // What is open is at odds with a sound file: with what it remembers of pages that changed behind its back, say.
        return (try? reopen(generation)) ?? false
    }

    /// True if the file was replaced.
    func replace(_ generation: Generation, because trouble: FileTrouble) -> Bool {
        do throws(SpoolError) {
            switch trouble {
            case .shorter:
                guard let damage = probe(isThorough: true) else { return false }
                try setAside(generation, .damaged(damage.message))
            case .cutOff, .damaged, .withoutWAL:
                try setAside(generation, trouble)
            case .gone, .replaced:
                try installSuccessor(of: generation, trouble)
            }
            repairs.lastFailure = nil
            return true
        } catch {
            let failure = "the spool \(path) \(trouble.description), and there can be no new one (\(error))"
            if repairs.lastFailure != failure {
                report(failure + "; what is open stays in use" + outlook(of: generation))
            }
            repairs.lastFailure = failure
            return false
        }
    }

    private func outlook(of generation: Generation) -> String {
        guard generation.isNameless else { return "" }
        return ", but has no name any more, and ends with this process"
            + ": what is pending in it is moved as soon as there can be a spool at \(path), so make way for one"
    }

    /// What is wrong with the file, as a connection of its own finds it; `nil` if nothing is, or it can not be told now.
    private func probe(isThorough: Bool) -> SpoolError? {
        do throws(SpoolError) {
            let connection = try SpoolFile.openForWriting(
                path: path,
                create: false,
                powerLossSafe: false,
                timeout: options.commitTimeout
            )
            connection.setBusyDeadline(deadline)
            try connection.execute(
                """
                BEGIN IMMEDIATE; INSERT INTO records SELECT 1 + coalesce(max(id), 0), 0, 0, '' FROM records; ROLLBACK;
                """
            )
            try connection.verifyWAL()
            for part in isThorough ? ["1"] : Self.smallTables {
                let check = try connection.prepare("PRAGMA quick_check(\(part))")
                defer { check.reset() }
                guard try check.step(), check.text(0) != "ok" else { continue }
                let lines = check.text(0).split(separator: "\n")
                return SpoolError(.damaged, path: path, message: lines.joined(separator: ", "))
            }
            return nil
        } catch {
            return error.isSuspicious ? error : nil
        }
    }

    /// What whoever logs reads and changes besides the records.
    private static let smallTables = ["streams", "counters", "deliveries", "gaps"]

    /// Looks whether the file in use is damaged itself, and replaces it if so. True if it is.
    func replaceIfDamaged(_ generation: Generation) -> Bool {
        guard let damage = probe(isThorough: true) else { return false }
        _ = replace(generation, because: .damaged(damage.message))
        return true
    }

    private func reopen(_ generation: Generation) throws(SpoolError) -> Bool {
        guard let next = try Generation(Spool(path: path, options: options)), next.main == generation.main else {
            return false
        }
        // The log is the same one.
        if (try? generation.spool)?.walMonitor.hasSyncFailure == true { try? next.spool.walMonitor.noteFailure() }
        retire(Retired(generation: generation, since: 0, leavesRecords: false, hasName: true))
        install(next)
        return true
    }

    /// Puts the file out of the way, and a new one in its place.
    private func setAside(_ generation: Generation, _ trouble: FileTrouble) throws(SpoolError) {
        let place = try Quarantine.setAside(path, expected: generation.main, until: deadline)
        var told: [String] = []
        let next: Generation
        do throws(SpoolError) {
            next = try Self.open(path, options, replacesForeign: true) { told.append($0) }
        } catch {
            guard let place else { throw error }
            throw SpoolError(error.kind, path: path, message: "\(error.message); what lay there is now \(place)")
        }
        // Without a place another process has done it, and has told of it.
        if let place {
            let advice = trouble.leavesRecords ? "what is pending in it is moved" : Self.advice(place, path)
            told.append(
                "the spool \(path) \(trouble.description), and was set aside as \(place); \(advice)"
                    + "; logging goes on in a new spool"
            )
        }
        retire(
            Retired(
                generation: generation,
                since: MonotonicClock.nanoseconds(),
                leavesRecords: trouble.leavesRecords,
                // Under which nobody opens it.
                hasName: false
            )
        )
        install(next)
        told.forEach(report)
    }

    /// Goes on with what is in the place of the file, or with a new one if nothing is.
    private func installSuccessor(of generation: Generation, _ trouble: FileTrouble) throws(SpoolError) {
        if trouble == .replaced { try verifySuccessor() }
        // SQLite would take the log of the old file for one of the new.
        if let place = try? Quarantine.setAsideLog(of: generation, path, until: deadline) {
            repairs.leftovers += ["", "-wal", "-shm"].map { place + $0 }
        }
        var told: [String] = []
        let next = try Self.open(path, options, replacesForeign: true) { told.append($0) }
        // Another process may have set it aside because it is damaged.
        let place = Quarantine.files(of: path).first { FileIdentity($0) == generation.main }
        let isSetAside = place != nil
        // Where its log and the log's index do not lie with it, it was set aside for the want of them: what is pending can be
        // read by whoever has it open, and by nobody else.
        let isDamaged = place.map {
            FileIdentity($0 + "-wal") == generation.log && FileIdentity($0 + "-shm") == generation.index
        }
        let hasName = !isSetAside && !generation.main.isUnlinked
        if !isSetAside {
            told.append(
                "the spool \(path) \(trouble.description); logging goes on in "
                    + (trouble == .gone ? "a new file" : "the new one")
                    + ", and what is pending in the old one is moved"
            )
        }
        retire(
            Retired(
                generation: generation,
                since: MonotonicClock.nanoseconds(),
                leavesRecords: isDamaged != true,
                hasName: hasName,
                leftovers: repairs.leftovers
            )
        )
        repairs.leftovers = []
        install(next)
        told.forEach(report)
    }

    /// Throws if there is something in the place of the file that is neither to be used nor to be set aside.
    private func verifySuccessor() throws(SpoolError) {
        guard case .file(_, let size) = FileIdentity.look(at: path) else {
            throw SpoolError(.notASpool, path: path, message: "not a regular file")
        }
        do throws(SpoolError) {
            if size > 0 { try Schema.verify(path: path) }
        } catch  where error.kind != .newerVersion {
            // It is set aside when it is opened.
        }
    }

    private func retire(_ retired: Retired) {
        repairs.retired.append(retired)
        anyRetired.store(true, ordering: .releasing)
    }
}
