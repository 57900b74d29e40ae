#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The file of a journal: beside the spool, as `NAME.journal-` and sixteen random digits, for the owner of the spool alone,
/// and locked by the process that writes to it for as long as that lives. Thread-safe.
final class JournalFile: Sendable {
    static let infix = ".journal-"
    static let nameLength = 16

    let path: String
    /// Unlike that of any other journal.
    let name: String
    let salt: UInt64
    /// What the file itself told, when it was opened, of how far it was moved.
    let moved: UInt64
    private let file: LockedFile
    private var descriptor: Int32 { file.descriptor }

    private init(path: String, name: String, salt: UInt64, moved: UInt64, file: LockedFile) {
        self.path = path
        self.name = name
        self.salt = salt
        self.moved = moved
        self.file = file
    }

    // MARK: A new one

    /// - Parameter salt: random, but where frames are copied from another one.
    static func make(
        besideSpool spool: String,
        salt: UInt64 = .random(in: .min ... .max)
    ) throws(SpoolError) -> JournalFile {
        // What has just been made and is not locked yet may be taken for one that a dead process has left.
        for _ in 0..<10 {
            // A fork that came in between would leave the child its lock.
            let made = try ForkGate.pass { () throws(SpoolError) in try tryToMake(besideSpool: spool, salt) }
            if let made { return made }
        }
        throw failure(spool, "is removed again and again")
    }

    private static func tryToMake(besideSpool spool: String, _ salt: UInt64) throws(SpoolError) -> JournalFile? {
        let name = hexadecimal(.random(in: .min ... .max))
        let path = spool + infix + name
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure(spool, "can not be made") }
        fchmod(descriptor, 0o600)
        SpoolSafety.giveToOwner(descriptor, ofSpool: spool)
        let locked = LockedFile(descriptor)
        guard let isOurs = locked.lock() else { throw useless(path, spool, "can not be locked") }
        let file = JournalFile(path: path, name: name, salt: salt, moved: 0, file: locked)
        guard isOurs, file.isInPlace else { return nil }
        let header = JournalFormat.header(salt: salt)
        guard header.withUnsafeBytes({ file.write($0, at: 0) }) else {
            throw useless(path, spool, "can not be written")
        }
        return file
    }

    /// Removes what was just made.
    private static func useless(_ path: String, _ spool: String, _ what: String) -> SpoolError {
        let error = failure(spool, what)
        unlink(path)
        return error
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: nameLength - digits.count) + digits
    }

    private static func failure(_ spool: String, _ what: String) -> SpoolError {
        .unwritable(spool, "a journal beside it \(what)")
    }

    // MARK: Those of the dead

    /// What is found in the place of a journal.
    enum Found {
        /// Nothing that is to be moved: it is gone, or its process died before it had written a record.
        case nothing
        /// A living process writes to it.
        case living
        case journal(JournalFile)
        case stranded(StrandedJournal)
    }

    /// The journals beside a spool, those that no living process writes to locked by this one from now on. What is not a
    /// journal, or may be another user's, is left as it is.
    static func adopt(besideSpool spool: String) -> [Found] {
        // A fork that came in between would leave the child their locks.
        ForkGate.pass { paths(besideSpool: spool).map { examine($0, ofSpool: spool, adopts: true) } }
    }

    /// The paths of all journals beside a spool, of the living too, and of what is called like one.
    static func paths(besideSpool spool: String) -> [String] { SpoolSafety.siblings(of: spool, infix) }

    /// - Parameter adopts: whether to lock it. One without a record is removed then.
    static func examine(_ path: String, ofSpool spool: String, adopts: Bool, flags: Int32 = O_RDWR) -> Found {
        func stranded(_ kind: SpoolError.Kind, _ cause: String) -> Found {
            .stranded(StrandedJournal(path: path, kind: kind, cause: cause))
        }
        func failure(_ what: String) -> Found {
            if errno == ENOENT { return .nothing }
            if errno == ELOOP { return stranded(.unsafe, "it is a symbolic link") }
            let kind: SpoolError.Kind = errno == EIO ? .failedIO : .unwritable
            return stranded(kind, "it can not be \(what): \(String(cString: strerror(errno)))")
        }
        let descriptor = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return failure("opened") }
        let locked = LockedFile(descriptor)
        if locked.isLocked { return .living }
        if let objection = SpoolSafety.objection(to: descriptor, asPartOf: spool) {
            return stranded(
                .unsafe,
                "it \(objection); if it is the spool's, give it the owner of that, and the mode 600"
            )
        }
        if adopts {
            guard let isOurs = locked.lock() else { return failure("locked") }
            guard isOurs else { return .living }
        }
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: JournalFormat.movedOffset + 8) { buffer, length in
            count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            length = max(0, count)
        }
        guard count >= 0 else { return failure("read") }
        let header = JournalFormat.parseHeader(bytes)
        let file = JournalFile(
            path: path,
            name: String(path.suffix(nameLength)),
            salt: header?.salt ?? 0,
            moved: header?.moved ?? 0,
            file: locked
        )
        // Another process may just have taken it in.
        guard file.isInPlace else { return .nothing }
        guard header == nil else { return .journal(file) }
        guard file.size <= JournalFormat.headerSize else {
            return stranded(.notASpool, "it is none, or its header is damaged, or it is of a later version; keep it")
        }
        // Its process died before it had written a record.
        if adopts { unlink(path) }
        return .nothing
    }

    // MARK: Its content

    private var size: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Whether it lies where it was made.
    var isInPlace: Bool {
        var ours = stat()
        var found = stat()
        return fstat(descriptor, &ours) == 0 && lstat(path, &found) == 0 && FileIdentity(ours) == FileIdentity(found)
    }

    /// False if the disk does not take all of it.
    @inline(__always)
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        while true {
            let count = pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
            if count == bytes.count { return true }
            // What is half written is written again by the next record, in the same place.
            guard count < 0, errno == EINTR else { return false }
        }
    }

    /// Tells how far the journal was moved, for the case that the spool which knows it is not there any more.
    func note(moved: UInt64) {
        withUnsafeBytes(of: moved.littleEndian) { _ = write($0, at: JournalFormat.movedOffset) }
    }

    /// Reads as much as stands there, at most as much as there is room for. Throws if the disk does not give it: then nobody
    /// knows what stands there.
    func read(
        at offset: Int,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(SpoolError) -> UnsafeRawBufferPointer {
        var count = 0
        while count < buffer.count {
            let part = pread(descriptor, buffer.baseAddress! + count, buffer.count - count, off_t(offset + count))
            if part < 0, errno == EINTR { continue }
            if part < 0 {
                let cause = String(cString: strerror(errno))
                throw SpoolError(.failedIO, path: path, message: "the journal can not be read: \(cause)")
            }
            if part == 0 { break }
            count += part
        }
        return UnsafeRawBufferPointer(rebasing: buffer[..<count])
    }

    /// Calls `body` with the frames that were not moved yet, in the order of their numbers.
    func withFrames<Result>(
        after moved: UInt64,
        _ body: ([JournalFormat.Frame]) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * JournalFormat.regionSize, alignment: 8)
        defer { memory.deallocate() }
        var frames: [JournalFormat.Frame] = []
        for index in [0, 1] {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: memory[(index * JournalFormat.regionSize)...].prefix(JournalFormat.regionSize)
            )
            let region = try read(at: JournalFormat.offset(ofRegion: index), into: part)
            frames += JournalFormat.frames(in: region, after: moved, salt: salt)
        }
        return try body(frames.sorted { $0.number < $1.number })
    }

    func remove() {
        unlink(path)
    }

    /// Leaves nothing in it to be taken in, whatever it is called by now.
    func clear() {
        ftruncate(descriptor, 0)
    }
}
