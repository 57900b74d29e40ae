internal import LogbeamSpool

/// Which journals are to be told of: each once, as long as it is there. Pure.
struct JournalNews {
    /// In how many looks each was seen.
    private var looks: [String: Int] = [:]

    /// Looks in which the spool may just be taking one that has been left a moment ago.
    static let patience = 10

    /// The lines that are due after a look.
    mutating func lines(_ journals: [StrandedJournal]) -> [String] {
        let known = looks
        looks = [:]
        return journals.compactMap { journal in
            let count = (known[journal.path] ?? 0) + 1
            looks[journal.path] = count
            return count == (journal.kind == .busy ? Self.patience : 1) ? journal.description : nil
        }
    }
}
