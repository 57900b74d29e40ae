#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Whom the files of a spool belong to. What somebody else may have put there is not opened.
///
/// | what | is |
/// |---|---|
/// | a path that is itself a symbolic link | refused; directories that lead to it may be links |
/// | anything but a regular file | refused |
/// | a file of another user | refused, but for root, who may look into any spool and drain it |
/// | a file that everybody can write | refused |
/// | a file with two names | refused: each name would have a log of its own (https://www.sqlite.org/howtocorrupt.html, 2.5) |
/// | the same of the log, its index, a journal and the lease | refused; they may belong to the owner of the spool or to root |
/// | a file that its group can write | taken, and told by `check`: Kubernetes makes all files of a volume so (`fsGroup`) |
/// | a directory that others can write | taken, and told by `check`: Kubernetes makes an `emptyDir` so |
///
/// What root makes beside another user's spool is that user's: SQLite sees to its own files (os_unix.c, `robustFchown`),
/// ``giveToOwner(_:ofSpool:)`` to the others. Otherwise the user could not open the spool any more.
package enum SpoolSafety {
    /// What SQLite, and the lease, put beside a spool.
    static let companions = ["-wal", "-shm", "-journal", "-uploader"]

    /// Whether a file is called like what lies beside a spool: its log, its lease, a draft, a journal, what was set aside.
    package static func isCompanion(_ path: String) -> Bool {
        let name = split(path).name
        return companions.contains { name.hasSuffix($0) || name.hasSuffix($0 + "-next") }
            || infixes.contains { part in name.indices.contains { name[$0...].hasPrefix(part) } }
    }

    /// What follows the name of a spool, and more follows, in those of its drafts, its journals and what was set aside.
    private static let infixes = [draftSuffix, Quarantine.infix, JournalFile.infix]

    /// Whether a path leads to a spool itself, or to what lies beside it, or would be taken for that if a file were there.
    package static func leads(_ file: String, toSpool path: String) -> Bool {
        if let found = FileIdentity(file) {
            let files = [path] + siblings(of: path, "").filter(isCompanion)
            if files.contains(where: { FileIdentity($0) == found }) { return true }
        }
        let (directory, name) = split(file)
        let (place, spool) = split(path)
        var (here, there) = (stat(), stat())
        guard name.utf8.starts(with: spool.utf8), stat(directory, &here) == 0, stat(place, &there) == 0,
            FileIdentity(here) == FileIdentity(there)
        else { return false }
        let rest = name.utf8.dropFirst(spool.utf8.count)
        return rest.isEmpty
            || companions.contains { rest.elementsEqual($0.utf8) || rest.elementsEqual("\($0)-next".utf8) }
            || infixes.contains { rest.starts(with: $0.utf8) }
    }

    /// A new spool is made beside its place, under its name with this and six random characters at the end.
    static let draftSuffix = ".draft-"

    /// A new file beside the place of a spool, for its owner alone whatever the umask, in which it is to be made. `nil` if
    /// it can not be made: see `errno`.
    ///
    /// - Parameter model: whose owner it gets, if this process acts as root.
    static func makeDraft(beside path: String, owner model: String? = nil) -> String? {
        var template = Array("\(path)\(draftSuffix)XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { return nil }
        fchmod(descriptor, 0o600)
        if let model { giveToOwner(descriptor, ofSpool: model) }
        close(descriptor)
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The size of a spool's file in bytes; `nil` if there is none. Throws ``SpoolError/Kind/unsafe`` if it must not be
    /// opened.
    static func size(path: String) throws(SpoolError) -> Int? {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw SpoolError(.unwritable, path: path, message: "not a path")
        }
        guard var status = try look(path, of: path) else { return nil }
        if status.st_nlink > 1 {
            removeDrafts(of: path, status)
            // Another process may just have removed the spool.
            guard let now = try look(path, of: path) else { return nil }
            status = now
        }
        guard status.st_nlink == 1 else {
            throw unsafe(path, "has \(status.st_nlink) names (hard links), of which each would have a log of its own")
        }
        return Int(status.st_size)
    }

    /// Throws if something that lies beside a spool, and would be taken for a part of it, is another user's.
    static func verifyCompanions(path: String) throws(SpoolError) {
        guard let spool = try look(path, of: path) else { return }
        for suffix in companions { _ = try look(path + suffix, of: path, owner: spool.st_uid) }
    }

    /// - Parameter owner: whose file it may be besides root's; if `nil`, that of the user as who this process acts.
    private static func look(_ file: String, of path: String, owner: uid_t? = nil) throws(SpoolError) -> stat? {
        var status = stat()
        guard lstat(file, &status) == 0 else {
            guard errno == ENOENT else { throw .unwritable(path, "can not be looked at") }
            return nil
        }
        let name = file == path ? "" : "\(file) "
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFLNK: throw unsafe(path, "\(name)is a symbolic link; name the file itself")
        default: throw SpoolError(.notASpool, path: path, message: "\(name)not a regular file")
        }
        let user = geteuid()
        guard [0, owner ?? user].contains(status.st_uid) || owner == nil && user == 0 else {
            throw unsafe(path, "\(name)belongs to the user \(status.st_uid), not to \(owner ?? user)")
        }
        guard status.st_mode & S_IWOTH == 0 else { throw unsafe(path, "\(name)can be written by everybody") }
        return status
    }

    /// Why an open file is none of those that belong to a spool; `nil` if it is one: a regular file with one name, of the
    /// owner of the spool or of root, whom not everybody can write.
    static func objection(to descriptor: Int32, asPartOf path: String) -> String? {
        var file = stat()
        var spool = stat()
        guard fstat(descriptor, &file) == 0, stat(path, &spool) == 0 else {
            return "can not be compared with the spool"
        }
        guard file.st_mode & S_IFMT == S_IFREG else { return "is not a regular file" }
        guard file.st_nlink == 1 else { return "has \(file.st_nlink) names (hard links)" }
        guard [0, spool.st_uid].contains(file.st_uid) else {
            return "belongs to the user \(file.st_uid), and the spool to \(spool.st_uid)"
        }
        return file.st_mode & S_IWOTH == 0 ? nil : "can be written by everybody"
    }

    private static func unsafe(_ path: String, _ what: String) -> SpoolError {
        SpoolError(.unsafe, path: path, message: what)
    }

    /// Gives a file that was just made beside a spool to the owner of the spool, if this process acts as root.
    static func giveToOwner(_ descriptor: Int32, ofSpool path: String) {
        var status = stat()
        guard geteuid() == 0, stat(path, &status) == 0, status.st_uid != 0 else { return }
        fchown(descriptor, status.st_uid, status.st_gid)
    }

    /// Takes the drafts away that are names of the same file: whoever made the spool was killed before it did that by
    /// itself, or is about to.
    private static func removeDrafts(of path: String, _ spool: stat) {
        for file in siblings(of: path, draftSuffix) {
            var status = stat()
            if lstat(file, &status) == 0, FileIdentity(status) == FileIdentity(spool) { unlink(file) }
        }
    }

    /// The files beside another one that have its name and go on with some text, in the order of their names.
    static func siblings(of path: String, _ infix: String) -> [String] {
        let (directory, name) = split(path)
        guard let listing = opendir(directory) else { return [] }
        defer { closedir(listing) }
        var found: [String] = []
        while let entry = readdir(listing) {
            let other = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if other.utf8.starts(with: (name + infix).utf8) { found.append(directory + "/" + other) }
        }
        return found.sorted()
    }

    /// A path without the symbolic links of its directory, if that is there. A link in place of the file itself is not
    /// followed: it is refused.
    package static func resolved(_ path: String) -> String {
        let (directory, name) = split(path)
        guard let resolved = realpath(directory, nil) else { return path }
        defer { free(resolved) }
        let place = String(cString: resolved)
        return place == "/" ? "/\(name)" : "\(place)/\(name)"
    }

    /// The directory in which a file lies, and its name there.
    package static func split(_ path: String) -> (directory: String, name: String) {
        // By bytes: to Swift a slash and what combines with it are one character.
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let name = path.utf8.index(after: slash)
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[name...]))
    }
}
