/// A journal that no living process writes to, and that is not moved into its spool. What it holds is in none.
package struct StrandedJournal: Sendable, Equatable, CustomStringConvertible {
    package var path: String
    package var kind: SpoolError.Kind
    /// Why, and behind a semicolon what to do about it.
    package var cause: String

    package init(path: String, kind: SpoolError.Kind, cause: String) {
        self.path = path
        self.kind = kind
        self.cause = cause
    }

    package var description: String { "the journal \(path) could not be moved into the spool: \(cause)" }

    /// The error of the disk, or of the spool, that kept a journal from being moved.
    init(_ path: String, _ error: SpoolError) {
        self.init(path: path, kind: error.kind, cause: error.message)
    }

    /// Those that lie beside a spool, in the order of their names. Takes no lock, and moves nothing.
    package static func beside(spool: String) -> [StrandedJournal] {
        JournalFile.paths(besideSpool: spool).compactMap { path in
            switch JournalFile.examine(path, ofSpool: spool, adopts: false) {
            case .nothing, .living: nil
            case .stranded(let journal): journal
            case .journal:
                StrandedJournal(
                    path: path,
                    kind: .busy,
                    cause: "the spool has not taken it yet; 'logbeam-spool drain' moves it, or says why not"
                )
            }
        }
    }
}
