internal import LogbeamCore

/// What people are told of the troubles of one spool: each once when it begins, and once that all are over.
package struct TroubleNews: Equatable {
    private var told: Set<String> = []

    package init() {}

    /// The lines that are due.
    ///
    /// - Parameters:
    ///   - troubles: those that there are now, whose keys say which are of one kind.
    ///   - path: that of the spool.
    package mutating func lines(_ troubles: [(key: String, text: String)], of path: String) -> [String] {
        var lines: [String] = []
        var seen: Set<String> = []
        for trouble in troubles where seen.insert(trouble.key).inserted && !told.contains(trouble.key) {
            lines.append("\(trouble.text); trying again")
        }
        if troubles.isEmpty, !told.isEmpty { lines.append("\(path): all is well again") }
        // A trouble that comes and goes with others is told once.
        told = troubles.isEmpty ? [] : told.union(seen)
        return lines
    }
}

extension UploadLoop.Trouble {
    /// What it is told by, and how.
    package func news(of path: String) -> (key: String, text: String) {
        (failure.code, "\(path): \(destination.logGroup) \(destination.logStream): \(failure)")
    }
}
