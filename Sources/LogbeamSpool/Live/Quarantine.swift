internal import LogbeamCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Where files go that lie in the place of a spool and are none: beside it, as `NAME.damaged-20260102T030405Z`, with what
/// belongs to them. Nothing is ever overwritten or deleted.
package enum Quarantine {
    /// The files that were set aside beside a spool, oldest first.
    package static func files(of path: String) -> [String] {
        SpoolSafety.siblings(of: path, infix).filter { file in
            !["-wal", "-shm", ".salvaged.db", ".salvaged.db-wal", ".salvaged.db-shm"].contains { file.hasSuffix($0) }
        }
    }

    /// Moves a file, its log and the log's index out of the way. Returns the new path of the file; `nil` if the file is
    /// not the expected one any more: another process has done it.
    ///
    /// - Parameter expected: the file; `nil` if a log, and no file, is there.
    static func setAside(
        _ path: String,
        expected: FileIdentity?,
        until deadline: UInt64
    ) throws(SpoolError) -> String? {
        try withLock(on: path, until: deadline) { () throws(SpoolError) in
            guard FileIdentity(path) == expected else { return nil }
            let place = try reserve(path)
            if expected != nil, rename(path, place) != 0 {
                let error = SpoolError.unwritable(path, "can not be set aside")
                unlink(place)
                throw error
            }
            let moved = move(["-wal", "-shm"], from: path, to: place)
            guard expected != nil || moved else {
                let error = SpoolError.unwritable(path, "what lies beside it can not be set aside")
                unlink(place)
                throw error
            }
            return place
        }
    }

    /// What the names of journals end with that were set aside.
    package static let journalSuffix = ".journal"

    /// Moves the journal of a dead process out of the way, which this process has locked: from now on it is taken for none.
    static func setAside(_ journal: JournalFile, ofSpool path: String) throws(SpoolError) {
        let place = try reserve(path, suffix: journalSuffix)
        guard rename(journal.path, place) == 0 else {
            let error = SpoolError.unwritable(path, "its journal \(journal.path) can not be set aside")
            unlink(place)
            throw error
        }
    }

    /// Moves out of the way the log of a spool that is not there any more, and the log's index, as far as they still lie
    /// there: a new file would share them.
    ///
    /// - Returns: what they are called now: where they were put, without `-wal` and `-shm`.
    static func setAsideLog(of old: Generation, _ path: String, until deadline: UInt64) throws(SpoolError) -> String? {
        try withLock(on: path, until: deadline) { () throws(SpoolError) in
            let left = [("-wal", old.log), ("-shm", old.index)].filter { suffix, identity in
                identity.map { FileIdentity(path + suffix) == $0 } ?? false
            }.map(\.0)
            guard FileIdentity(path) != old.main, !left.isEmpty else { return nil }
            let place = try reserve(path)
            move(left, from: path, to: place)
            return place
        }
    }

    /// Whether any was there, and could be moved. Nothing lies at the new place: see ``reserve(_:suffix:)``.
    @discardableResult
    private static func move(_ suffixes: [String], from path: String, to place: String) -> Bool {
        suffixes.count { rename(path + $0, place + $0) == 0 } > 0
    }

    /// To be called before a spool is opened. SQLite ends the log of a dead process at the first frame that is damaged, and
    /// overwrites what comes after: where that has commits, a copy of the log is set aside first, with nothing of the file;
    /// unless there is one already.
    ///
    /// - Returns: a line for people; `nil` where nothing is lost.
    package static func copyDamagedWAL(of path: String) -> String? {
        // Whoever has it open knows what is in the log, and changes it while we look.
        guard UploadLease.holder(spool: path) == nil, !ForkGate.hasConnection(to: path), hasLostCommits(path),
            !isOpenElsewhere(path), let log = try? ReadOnlyFile(path: path + "-wal"),
            !files(of: path).contains(where: { log.hasSameBytes(as: $0 + "-wal") })
        else { return nil }
        let event = "the write-ahead log of the spool \(path) is damaged, and what was committed after that is cut off"
        do throws(SpoolError) {
            let place = try copy(log, of: path)
            return event
                + "; a copy is set aside as \(place)-wal; 'logbeam-spool salvage \(place) --into \(path)' takes "
                + "back what is readable, some of it for the second time"
        } catch {
            return event + "; no copy of it could be set aside: \(error.message)"
        }
    }

    /// Returns the place of the copy, without `-wal`.
    private static func copy(_ log: ReadOnlyFile, of path: String) throws(SpoolError) -> String {
        let place = try reserve(path)
        let copy = open(place + "-wal", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard copy < 0 || !isCopied(log, to: copy, of: path) else { return place }
        let error = SpoolError.unwritable(path, "its log can not be copied")
        for file in [place, place + "-wal"] { unlink(file) }
        throw error
    }

    /// Writes it to the disk, and closes it. False if there is not room enough for it, for example: see `errno`.
    private static func isCopied(_ log: ReadOnlyFile, to copy: Int32, of path: String) -> Bool {
        defer { close(copy) }
        fchmod(copy, 0o600)
        SpoolSafety.giveToOwner(copy, ofSpool: path)
        for offset in stride(from: 0, to: log.size, by: ReadOnlyFile.partSize) {
            guard let part = log.read(ReadOnlyFile.partSize, at: offset) else { return false }
            var written = 0
            while written < part.count {
                let count = part[written...].withUnsafeBytes { write(copy, $0.baseAddress, $0.count) }
                guard count >= 0 || errno == EINTR else { return false }
                written += max(0, count)
            }
        }
        return fsync(copy) == 0
    }

    /// The spools that ``isOpenElsewhere(_:)`` has looked at.
    private static let lookedAt = Mutex<[FileIdentity: Int32]>([:])

    /// Whether another process has a lock on the file that SQLite keeps as long as it is open
    /// (https://www.sqlite.org/fileformat2.html#the_lock_byte_page, "shared lock").
    private static func isOpenElsewhere(_ path: String) -> Bool {
        guard let identity = FileIdentity(path) else { return false }
        // Stays open for ever: to close it would free all locks of this process on the file, should it have any that are
        // none of ours. That is one descriptor for each spool whose log is damaged.
        let descriptor = lookedAt.withLock { descriptors in
            if let known = descriptors[identity] { return known }
            let descriptor = open(path, O_RDWR | O_CLOEXEC)
            if descriptor >= 0 { descriptors[identity] = descriptor }
            return descriptor
        }
        guard descriptor >= 0 else { return false }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = 0x4000_0002
        lock.l_len = 510
        return fcntl(descriptor, F_GETLK, &lock) == 0 && Int32(lock.l_type) != Int32(F_UNLCK)
    }

    private static func hasLostCommits(_ path: String) -> Bool {
        guard let log = try? ReadOnlyFile(path: path + "-wal") else { return false }
        // Where the header of the log does not tell it: the page size of what is made here.
        return WriteAheadLog(log, pageSize: Int(SpoolLimit.pageSize)).lostCommits > 0
    }

    static let infix = ".damaged-"

    /// A path beside another that nobody has, held by an empty file.
    private static func reserve(_ path: String, suffix: String = "") throws(SpoolError) -> String {
        let time = UTCTime(millisecondsSinceEpoch: WallClock.milliseconds()).iso8601
        // 2026-01-02T03:04:05.678Z
        let name = path + infix + time.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
        for number in 1...1_000 {
            let place = (number == 1 ? name : "\(name)-\(number)") + suffix
            if ["-wal", "-shm"].contains(where: { access(place + $0, F_OK) == 0 }) { continue }
            let descriptor = open(place, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
            guard descriptor < 0 else {
                fchmod(descriptor, 0o600)
                SpoolSafety.giveToOwner(descriptor, ofSpool: path)
                close(descriptor)
                return place
            }
            guard errno == EEXIST else { break }
        }
        throw .unwritable(path, "nothing can be set aside beside it")
    }

    /// Runs `body` while no other process, and no other thread, sets anything aside in the same directory, or makes a spool.
    static func withLock<Result>(
        on path: String,
        until deadline: UInt64,
        _ body: () throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        let descriptor = open(SpoolSafety.split(path).directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unwritable(path, "its directory can not be opened") }
        ForkGate.add(descriptor: descriptor)
        defer {
            ForkGate.remove(descriptor: descriptor)
            close(descriptor)
        }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw .unwritable(path, "its directory can not be locked")
            }
            guard MonotonicClock.nanoseconds() < deadline else {
                throw SpoolError(.busy, path: path, message: "another process keeps its directory locked")
            }
            MonotonicClock.sleep(nanoseconds: 1_000_000)
        }
        return try body()
    }
}
