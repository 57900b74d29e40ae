internal import LogbeamSpool

/// The exit codes of all subcommands, numbered after sysexits(3).
enum ExitStatus: Int32, CaseIterable {
    /// Everything was done. `drain`: all that was pending has left the spool. `append`: every line was committed.
    case done = 0
    /// The answer to a question was no, and nothing was changed.
    case declined = 1
    /// The arguments can not work (EX_USAGE). The argument parser exits with it by itself.
    case usage = 64
    /// The file is damaged, is no spool, or was written by a later version; `drain --dry-run`: by an earlier one; `salvage`:
    /// not all of it could be read; `import`: lines that are no records (EX_DATAERR).
    case unusableSpool = 65
    /// There is no spool at the path; `drain`, `export`: none of its log streams was chosen; `rejected`: no such record
    /// (EX_NOINPUT).
    case noSpool = 66
    /// Another process uploads from the spool; `import`: it imports the same file (EX_UNAVAILABLE).
    case uploadedElsewhere = 69
    /// The spool can not be created or opened for writing (EX_CANTCREAT).
    case unwritableSpool = 73
    /// Reading or writing failed: the disk is full, or too many files are open, for example. `append`: there are lines that
    /// were not committed (EX_IOERR).
    case failedIO = 74
    /// Records remain, and another try may ship them: the time was over, a signal came, another process kept the spool
    /// locked, a journal could not be moved into the spool; `export`: that (EX_TEMPFAIL). `doctor`: AWS cannot be reached,
    /// or is in trouble.
    case recordsRemain = 75
    /// Records remain, and a person must mend something first: credentials, permissions, region (EX_NOPERM). `doctor`:
    /// something of that kind is wrong.
    case refused = 77

    /// Where the spool itself is the trouble.
    init(_ kind: SpoolError.Kind) {
        self =
            switch kind {
            case .missing: .noSpool
            case .notASpool, .newerVersion, .olderVersion, .damaged: .unusableSpool
            case .unwritable, .unsafe, .occupied, .readOnly, .networkFileSystem: .unwritableSpool
            case .full, .quotaExceeded, .atLimit, .walHeld, .failedIO, .tooManyFiles, .sealed, .other: .failedIO
            case .busy: .recordsRemain
            case .superseded: .uploadedElsewhere
            }
    }

    /// For `--help`.
    static var help: String {
        "Exit codes:\n"
            + allCases.map { "  \($0.rawValue)\($0.rawValue < 10 ? " " : "")  \($0.meaning)" }.joined(separator: "\n")
    }

    /// In a few words.
    var meaning: String {
        switch self {
        case .done: "done; after drain, all that was chosen is gone"
        case .declined: "not confirmed, nothing was changed"
        case .usage: "wrong arguments"
        case .unusableSpool: "the spool is damaged, no spool, or of another version; import: lines are no records"
        case .noSpool: "no such spool, or no such log stream or rejected record in it"
        case .uploadedElsewhere: "another process is uploading from the spool; import: it imports the same file"
        case .unwritableSpool: "the spool can not be created or opened for writing"
        case .failedIO: "reading or writing failed, the disk is full for example"
        case .recordsRemain: "records remain, also in a journal, try again; doctor: AWS cannot be reached"
        case .refused:
            "records remain, AWS refused the credentials or the permission, or none are found; doctor: one of these is wrong"
        }
    }
}
