internal import CSQLite

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Why the spool could not do what was asked.
///
/// The description names the file, the cause and the remedy. No error holds a message that was logged.
package struct SpoolError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// There is no file at the path.
        case missing
        /// The file is something else than a spool.
        case notASpool
        /// A later version of logbeam wrote the file.
        case newerVersion
        /// An earlier version of logbeam wrote the file, and it is to be read as it is.
        case olderVersion
        /// SQLite calls the file corrupt.
        case damaged
        /// The spool was not to be had within the commit timeout: another process kept the write lock, with SQLite's code; or
        /// without one, other threads of this process, or the disk.
        case busy
        /// The disk is full.
        case full
        /// The quota of the user, group or project is used up.
        case quotaExceeded
        /// The spool has reached the size that it was given.
        case atLimit
        /// The write-ahead log has reached the size that it was given, and a reader keeps it from beginning anew.
        case walHeld
        /// The file system is read-only.
        case readOnly
        /// The disk fails.
        case failedIO
        /// The process, or the system, has as many files open as it may.
        case tooManyFiles
        /// The file system is one of another machine.
        case networkFileSystem
        /// The file or its directory can not be created, opened or written.
        case unwritable
        /// SQLite reads it only where it can make files beside it, and it can not.
        case sealed
        /// Another user may have put the file there, or may change it: see ``SpoolSafety``.
        case unsafe
        /// Something lies where a new file is to be made.
        case occupied
        /// Another process has taken over the uploads; this one has changed nothing.
        case superseded
        /// Anything else that SQLite reports.
        case other
    }

    package var kind: Kind
    package var path: String
    package var message: String
    /// SQLite's extended result code, where SQLite was the one to refuse: see https://www.sqlite.org/rescode.html.
    package var code: Int32?

    package init(_ kind: Kind, path: String, message: String, code: Int32? = nil) {
        self.kind = kind
        self.path = path
        self.message = message
        self.code = code
    }

    /// What the system said of the last call, in `errno`.
    static func unwritable(_ path: String, _ what: String) -> SpoolError {
        let code = errno
        return SpoolError(
            Kind(refusal: code),
            path: path,
            message: "\(what): \(String(cString: strerror(code)))"
        )
    }

    static func notCopied(_ path: String) -> SpoolError {
        SpoolError(.failedIO, path: path, message: "the disk did not take what was copied out of the log")
    }

    static func notWrittenAgain(_ path: String, code: Int32? = nil) -> SpoolError {
        SpoolError(
            code.map { Kind(resultCode: $0) } ?? .failedIO,
            path: path,
            message: "what the disk did not take could not be written again",
            code: code
        )
    }

    static func superseded(_ path: String) -> SpoolError {
        SpoolError(.superseded, path: path, message: "another process has taken over the uploads")
    }

    /// A commit came to nothing because the disk did not take it, or something before it.
    /// SQLITE_IOERR_FSYNC (https://www.sqlite.org/rescode.html#ioerr_fsync), a macro that Swift can not read.
    var isFailedSync: Bool { code == SQLITE_IOERR | 4 << 8 }

    /// The disk has no room for it, or the quota.
    package var lacksDiskSpace: Bool { kind == .full || kind == .quotaExceeded }

    /// Whether the same may succeed later though nobody does anything about the file or its place.
    package var mayPass: Bool {
        switch kind {
        case .busy, .full, .quotaExceeded, .atLimit, .walHeld, .failedIO: true
        default: false
        }
    }

    package var description: String {
        let cause = code.map { "\(message) (SQLite \($0))" } ?? message
        return "spool \(path): \(cause)\(remedy.map { "; \($0)" } ?? "")"
    }

    private var remedy: String? {
        switch kind {
        case .missing: "check the path, or let a process log to it first"
        case .notASpool: "nothing was changed in it; choose another path"
        case .newerVersion: "nothing was changed in it; upgrade logbeam"
        case .olderVersion: "'logbeam-spool compact' brings it there"
        case .damaged: "keep the file; 'logbeam-spool salvage' takes what is readable into a new one"
        case .busy: code == nil ? nil : "another process holds the write lock"
        case .full: "make room on the disk"
        case .quotaExceeded: "delete files, or have the quota raised"
        case .atLimit: "see 'logbeam-spool status' for why records do not leave it, or give it more room"
        case .walHeld: "end what reads the spool for long, an open sqlite3 for example"
        case .readOnly: "the kernel may have mounted it so after an error of the disk: see its log"
        case .failedIO: "see the log of the kernel"
        case .tooManyFiles: "raise the limit of open files: 'ulimit -n', or LimitNOFILE= of systemd"
        case .networkFileSystem: "choose a path on a local disk, and a spool for each machine"
        case .unwritable: "check the owner and the rights of the file and its directory"
        case .sealed: "copy it elsewhere with its -wal and .journal-* files, or use 'logbeam-spool salvage --into'"
        case .unsafe: "nothing was read from it, nor changed in it"
        case .occupied: "choose another path"
        case .superseded, .other: nil
        }
    }
}

extension SpoolError {
    /// Whether it may be the content of the file that SQLite can not work with: what it calls corrupt, what is cut off,
    /// and what the statements, which are right, do not fit. A disk that fails, or is full, is none of these.
    var isSuspicious: Bool {
        if kind == .damaged || kind == .notASpool { return true }
        guard let code else { return false }
        switch code & 0xFF {
        case SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH: return true
        // SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_CORRUPTFS
        case SQLITE_IOERR: return code == SQLITE_IOERR | 2 << 8 || code == SQLITE_IOERR | 33 << 8
        default: return false
        }
    }
}

extension SpoolError.Kind {
    /// What stands behind an error of input or output: SQLite itself tells apart only a disk that is full (os_unix.c,
    /// `unixWrite`).
    init(systemError: Int32) {
        switch systemError {
        case EDQUOT: self = .quotaExceeded
        case ENOSPC: self = .full
        case EROFS: self = .readOnly
        default: self = .failedIO
        }
    }

    /// What stands behind a file that can not be made, opened or locked.
    init(refusal code: Int32) {
        switch code {
        case EDQUOT, ENOSPC: self.init(systemError: code)
        case EMFILE, ENFILE: self = .tooManyFiles
        default: self = .unwritable
        }
    }

    /// What a result code of SQLite means: https://www.sqlite.org/rescode.html.
    init(resultCode: Int32) {
        // SQLITE_IOERR_SHMSIZE: the index of the log could not be made longer. There is no `errno` to it.
        if resultCode == SQLITE_IOERR | 19 << 8 {
            self = .full
            return
        }
        switch resultCode & 0xFF {
        case SQLITE_CORRUPT: self = .damaged
        case SQLITE_NOTADB: self = .notASpool
        case SQLITE_BUSY, SQLITE_LOCKED: self = .busy
        case SQLITE_FULL: self = .full
        case SQLITE_IOERR: self = .failedIO
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: self = .unwritable
        default: self = .other
        }
    }
}
