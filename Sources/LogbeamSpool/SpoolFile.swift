#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The file of a spool: where it lies, who may read it, how it comes to be.
package enum SpoolFile {
    /// Opens a spool for writing. With `create`, a missing file is made, and its missing directories, and an empty one
    /// becomes a spool.
    ///
    /// - Parameter timeout: for how long it waits while another process holds the file.
    static func openForWriting(
        path: String,
        create: Bool,
        powerLossSafe: Bool,
        timeout: Duration = openTimeout
    ) throws(SpoolError) -> Connection {
        let deadline = MonotonicClock.nanoseconds() &+ timeout.nanoseconds
        switch try SpoolSafety.size(path: path) {
        case nil:
            guard create else { throw missing(path) }
            try refuseStrayWAL(path: path)
            try make(path: path, until: deadline)
            // Another process, or another user, may have been faster.
            _ = try SpoolSafety.size(path: path)
        case 0:
            // Left by whoever made the file beforehand, to hold its place: it becomes as any new one.
            try refuseStrayWAL(path: path)
            // Nobody who makes none makes a spool of it: to them it is what it is to a reader.
            if !create { try Schema.verify(path: path) }
            chmod(path, 0o600)
            try NetworkFileSystem.refuse(path: path, at: path)
        default:
            try NetworkFileSystem.refuse(path: path, at: path)
            try Schema.verify(path: path)
        }
        try SpoolSafety.verifyCompanions(path: path)
        let connection = try openAsSpool(path: path, until: deadline)
        // The log is there now, and stays as long as the connection does.
        try SpoolSafety.verifyCompanions(path: path)
        try connection.execute(Spool.connectionSettings(powerLossSafe: powerLossSafe))
        return connection
    }

    /// Opens an empty file or a spool, and brings it to the current version and into WAL mode.
    ///
    /// The schema is written before WAL mode is entered, so that the main file says from its first moment what it is.
    private static func openAsSpool(path: String, until deadline: UInt64) throws(SpoolError) -> Connection {
        let connection = try Connection(path: path, mode: .readWrite)
        connection.setBusyDeadline(deadline)
        try Schema.migrate(connection)
        while true {
            do throws(SpoolError) {
                guard try connection.enterWAL() else {
                    throw SpoolError(
                        .unwritable,
                        path: path,
                        message: "SQLite can not use write-ahead logging on this file system"
                    )
                }
                return connection
            } catch  where error.kind == .busy && MonotonicClock.nanoseconds() < deadline {
                // Two who enter WAL mode at once would wait for each other: SQLite tells one of them to let go.
                MonotonicClock.sleep(nanoseconds: 1_000_000)
            }
        }
    }

    /// Opens a spool for reading, of any version that we know. Its file must exist.
    ///
    /// What the journal of a dead process holds is moved into it first, if that is possible; for that a spool of an earlier
    /// version is brought to the current one. Else nothing is changed.
    static func openForReading(path: String) throws(SpoolError) -> Connection {
        let isAnythingLeft = JournalFile.adopt(besideSpool: path).contains {
            if case .journal = $0 { true } else { false }
        }
        if isAnythingLeft { _ = try? Spool(path: path, options: Spool.Options(create: false)) }
        guard try SpoolSafety.size(path: path) != nil else { throw missing(path) }
        try SpoolSafety.verifyCompanions(path: path)
        try Schema.verify(path: path)
        do throws(SpoolError) {
            let connection = try Connection(path: path, mode: .readOnly)
            connection.setBusyDeadline(MonotonicClock.nanoseconds() + openTimeout.nanoseconds)
            // The file may be older than its write-ahead log.
            _ = try Schema.knownVersion(of: connection)
            return connection
        } catch
            where error.kind == .unwritable && access(path, R_OK) == 0
            && access(SpoolSafety.split(path).directory, W_OK) != 0
        {
            throw SpoolError(
                .sealed,
                path: path,
                message: "its directory can not be written, and SQLite reads it only where it can make files"
            )
        }
    }

    /// Opens a spool once more that is open already. The connection has read once, for without that it would know no
    /// log, and SQLite would report success for its checkpoints, and do nothing.
    ///
    /// Only that first read waits for others: a connection that is being closed asks for the whole file for a moment, for it
    /// may be the last one.
    static func openAgain(
        path: String,
        _ mode: Connection.Mode,
        until deadline: UInt64 = MonotonicClock.nanoseconds() + openTimeout.nanoseconds
    ) throws(SpoolError) -> Connection {
        let connection = try Connection(path: path, mode: mode)
        connection.setBusyDeadline(deadline)
        _ = try connection.integer("PRAGMA schema_version")
        connection.setBusyDeadline(0)
        return connection
    }

    /// Throws if there is a write-ahead log and nothing that it belongs to: SQLite would take it for that of the new file,
    /// or delete it.
    private static func refuseStrayWAL(path: String) throws(SpoolError) {
        guard try SpoolSafety.size(path: path + "-wal") ?? 0 > 0 else { return }
        // Another process may have made both in between.
        switch try SpoolSafety.size(path: path) {
        case nil: throw SpoolError(.damaged, path: path, message: "there is a write-ahead log without its spool")
        case 0: throw SpoolError(.damaged, path: path, message: "the spool is cut off; its write-ahead log is there")
        default: return
        }
    }

    /// For how long opening waits while another process holds the file.
    static let openTimeout = Duration.seconds(10)

    private static func missing(_ path: String) -> SpoolError {
        SpoolError(.missing, path: path, message: "no such spool")
    }

    /// Makes the spool with mode 0600, whatever the umask, in a directory that is made with mode 0700 if it is missing.
    /// SQLite gives `-wal` and `-shm` the mode of the main file.
    ///
    /// The file is made beside its place and appears there complete, so that no other process ever sees half of it.
    private static func make(path: String, until deadline: UInt64) throws(SpoolError) {
        for (index, byte) in path.utf8.enumerated().dropFirst() where byte == UInt8(ascii: "/") {
            let directory = String(decoding: path.utf8.prefix(index), as: UTF8.self)
            if mkdir(directory, 0o700) == 0 {
                chmod(directory, 0o700)
                syncDirectory(of: directory)
                continue
            }
            let code = errno
            guard code != EEXIST, !isDirectory(directory) else { continue }
            // Why it can not be made is the cause, and not that it is not there.
            errno = code
            throw .unwritable(path, "its directory \(directory) can not be made")
        }
        try NetworkFileSystem.refuse(path: path, at: SpoolSafety.split(path).directory)
        guard let draft = SpoolSafety.makeDraft(beside: path) else { throw .unwritable(path, "can not be made") }
        // A disk that is full may have left more than the draft alone.
        defer { for suffix in ["", "-journal", "-wal", "-shm"] { unlink(draft + suffix) } }
        // The connection closes here, and takes its write-ahead log with it.
        _ = try openAsSpool(path: draft, until: deadline)
        try Quarantine.withLock(on: path, until: deadline) { () throws(SpoolError) in
            // What is left of a spool that is gone may be open still: with it, whoever has it and we would share an empty log,
            // or the log's index.
            if FileIdentity(path) == nil {
                try refuseStrayWAL(path: path)
                for suffix in ["-wal", "-shm"] { unlink(path + suffix) }
            }
            // Whoever is first wins; the spool of the other process is as good as ours.
            guard link(draft, path) == 0 || errno == EEXIST else { throw .unwritable(path, "can not be made") }
        }
        syncDirectory(of: path)
    }

    /// Keeps a name that was just made in its directory through a power loss; a sync of the file alone need not do that
    /// (fsync(2)). Not all file systems can, and SQLite does not mind either (os_unix.c, `unixSync`).
    package static func syncDirectory(of path: String) {
        let (directory, _) = SpoolSafety.split(path)
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}

extension Spool {
    /// What a connection that writes tells SQLite when it opens: here, so that a benchmark can do the same.
    package static func connectionSettings(powerLossSafe: Bool) -> String {
        """
        PRAGMA synchronous = \(powerLossSafe ? "FULL" : "NORMAL");
        PRAGMA secure_delete = OFF;
        PRAGMA temp_store = MEMORY;
        """
    }
}

extension Connection {
    /// False if SQLite stays in another journal mode.
    fileprivate func enterWAL() throws(SpoolError) -> Bool {
        let statement = try prepare("PRAGMA journal_mode = WAL")
        defer { statement.reset() }
        return try statement.step() && statement.text(0) == "wal"
    }
}
