internal import LogbeamSpool

/// What is said of journals that are not moved into their spool.
enum StrandedJournals {
    /// Throws where there are any, when each was told of.
    static func refuse(_ journals: [StrandedJournal], besides path: String) throws(Failure) {
        guard !journals.isEmpty else { return }
        tell(journals)
        let count = HumanUnits.count(journals.count, "journal")
        throw Failure(status(journals), "what \(count) beside \(path) may hold remains there")
    }

    static func tell(_ journals: [StrandedJournal]) {
        for journal in journals { StandardStreams.complain(journal.description) }
    }

    /// That of the disk, or of the damage, where one of them fails by that; else another try may move them.
    private static func status(_ journals: [StrandedJournal]) -> ExitStatus {
        for journal in journals {
            switch journal.kind {
            case .damaged: return .unusableSpool
            case let kind where ExitStatus(kind) == .failedIO: return .failedIO
            default: break
            }
        }
        return .recordsRemain
    }
}
