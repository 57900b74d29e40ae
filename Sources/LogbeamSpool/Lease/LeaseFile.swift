#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The file beside a spool that is locked, while it is open, by whoever has the lease. Thread-safe.
///
/// Whoever supersedes a holder that lives puts another file in its place, for the lock of the old one is not to be had. So
/// a lock is the lease only while its file is the one in place.
final class LeaseFile: Sendable {
    /// Which file it is, whatever its name.
    let identity: FileIdentity
    private let place: String
    private let file: LockedFile
    private var descriptor: Int32 { file.descriptor }

    private init(place: String, descriptor: Int32) {
        self.place = place
        file = LockedFile(descriptor)
        var status = stat()
        fstat(descriptor, &status)
        identity = FileIdentity(status)
    }

    // MARK: Opening

    /// Opens the file, and makes it if it is missing. Follows no symbolic link.
    static func inPlace(ofSpool spool: String) throws(SpoolError) -> LeaseFile {
        let place = place(ofSpool: spool)
        // A fork that came in between would leave the child its lock.
        return try ForkGate.pass { () throws(SpoolError) in
            try writable(at: place, O_CREAT, place: place, spool: spool)
        }
    }

    /// Opens the file as it is; `nil` if there is none, or it may not be read.
    static func existing(ofSpool spool: String) -> LeaseFile? {
        let place = place(ofSpool: spool)
        let descriptor = open(place, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        return descriptor < 0 ? nil : LeaseFile(place: place, descriptor: descriptor)
    }

    /// Puts a new file in place, in one step, that is locked already and has its note. Whoever has the old one open can
    /// know it by ``isInPlace``.
    ///
    /// Not for several processes at once: what lies where it is made was left by one that died.
    static func replacement(ofSpool spool: String, note: LeaseNote) throws(SpoolError) -> LeaseFile {
        let place = place(ofSpool: spool)
        let next = place + "-next"
        unlink(next)
        let file = try writable(at: next, O_CREAT | O_EXCL, place: place, spool: spool)
        file.write(note)
        guard try file.lock(), rename(next, place) == 0 else { throw .unwritable(spool, "can not replace \(place)") }
        return file
    }

    private static func writable(
        at path: String,
        _ flags: Int32,
        place: String,
        spool: String
    ) throws(SpoolError) -> LeaseFile {
        let descriptor = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw .unwritable(spool, "can not open \(path)") }
        // Whatever the umask has taken away; what root drains must not be closed to the service afterwards.
        fchmod(descriptor, 0o600)
        SpoolSafety.giveToOwner(descriptor, ofSpool: spool)
        return LeaseFile(place: place, descriptor: descriptor)
    }

    /// Beside the spool itself, so that there is one lease however many symbolic links lead to it.
    private static func place(ofSpool path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path + "-uploader" }
        defer { free(resolved) }
        return String(cString: resolved) + "-uploader"
    }

    // MARK: The lock

    /// False if another has it.
    func lock() throws(SpoolError) -> Bool {
        guard let isOurs = file.lock() else { throw .unwritable(place, "can not be locked") }
        return isOurs
    }

    /// Whether anybody has it. Takes none.
    var isLocked: Bool { file.isLocked }

    /// Whether this is the file that everybody opens, and not one that was there before.
    var isInPlace: Bool {
        var status = stat()
        return lstat(place, &status) == 0 && FileIdentity(status) == identity
    }

    /// Whether another file is in place, or nobody is kept from making one. Where the directory itself is out of reach,
    /// nobody comes by this name: it may be called otherwise now, or the process has another root.
    var isReplaced: Bool {
        var status = stat()
        if lstat(place, &status) == 0 { return FileIdentity(status) != identity }
        return lstat(SpoolSafety.split(place).directory, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    // MARK: The note

    /// Without its lock, a note may be read that is half of one holder and half of the next: it differs from both.
    var note: LeaseNote {
        var bytes = [UInt8](repeating: 0, count: LeaseNote.maximumLength)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return LeaseNote(bytes.prefix(max(0, count)))
    }

    /// - Parameter isFirst: a longer note of another holder may stand there.
    func write(_ note: LeaseNote, isFirst: Bool = false) {
        var text = note.text
        let count = text.withUTF8 { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        // Afterwards: an empty file has no room that is its own, and where the disk is full the note could not be written.
        // What is left of the longer one meanwhile stands behind the five words of this, and is not read.
        if isFirst, count == text.utf8.count { ftruncate(descriptor, off_t(count)) }
    }

    /// When the note was last written, in milliseconds of the time of day since 1970-01-01T00:00:00Z.
    var lastWritten: Int64 {
        var status = stat()
        fstat(descriptor, &status)
        #if os(Linux)
        let time = status.st_mtim
        #else
        let time = status.st_mtimespec
        #endif
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}
