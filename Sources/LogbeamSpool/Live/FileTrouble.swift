internal import Synchronization

/// What is amiss with the file of a spool that is open.
enum FileTrouble: Equatable {
    /// Nothing is where it was.
    case gone
    /// Something else is in its place.
    case replaced
    /// The write-ahead log, or its index, is not the one that is open: whoever opens the spool now uses another, and the two
    /// would damage the file.
    case withoutWAL
    /// Not even one page of it is left.
    case cutOff
    /// It is shorter than it was: by a checkpoint, or because it was cut.
    case shorter
    /// SQLite can not work with its content; and what it says.
    case damaged(String)

    /// Compares what the path leads to with what is open; `nil` if that is the same.
    ///
    /// - Parameter isThorough: looks at the length of the file too, which is noted for the next time.
    static func look(at path: String, _ generation: Generation, isThorough: Bool) -> FileTrouble? {
        var finding = FileIdentity.look(at: path)
        func judge() -> FileTrouble? {
            of(
                finding,
                log: FileIdentity.look(at: path + "-wal"),
                index: FileIdentity.look(at: path + "-shm"),
                expected: (generation.main, generation.log, generation.index)
            )
        }
        var trouble = judge()
        if trouble == .withoutWAL {
            // The file may have gone between the two looks, with the log.
            finding = FileIdentity.look(at: path)
            trouble = judge()
        }
        if trouble == nil, isThorough, case .file(_, let size) = finding,
            size < generation.size.exchange(size, ordering: .relaxed)
        {
            trouble = .shorter
        }
        return trouble
    }

    /// What the findings mean. Pure.
    static func of(
        _ main: FileIdentity.Finding,
        log: FileIdentity.Finding,
        index: FileIdentity.Finding,
        expected: (main: FileIdentity, log: FileIdentity?, index: FileIdentity?)
    ) -> FileTrouble? {
        switch main {
        case .unknown: return nil
        case .nothing: return .gone
        case .other: return .replaced
        case .file(let identity, _) where identity != expected.main: return .replaced
        // The smallest page that SQLite knows (https://www.sqlite.org/fileformat2.html#pages).
        case .file(_, let size) where size < 512: return .cutOff
        case .file: return isSame(log, expected.log) && isSame(index, expected.index) ? nil : .withoutWAL
        }
    }

    private static func isSame(_ finding: FileIdentity.Finding, _ expected: FileIdentity?) -> Bool {
        switch finding {
        case .file(let identity, _): identity == expected
        case .unknown: true
        case .nothing, .other: false
        }
    }

    /// What it says of the spool, for people.
    var description: String {
        switch self {
        case .gone: "is gone"
        case .replaced: "was replaced by another file"
        case .withoutWAL: "has lost its write-ahead log"
        case .cutOff, .shorter: "was cut off"
        case .damaged(let message): "is damaged (\(message))"
        }
    }

    /// Whether what is pending can be read through what is open.
    var leavesRecords: Bool {
        switch self {
        case .gone, .replaced, .withoutWAL: true
        case .cutOff, .shorter, .damaged: false
        }
    }
}
