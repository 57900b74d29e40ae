internal import LogbeamCore

/// Records of one stream that are neither delivered nor in the spool, for one reason.
package struct Gap: Sendable, Equatable, CustomStringConvertible {
    package var stream: Int64
    package var reason: String
    package var records: Int
    /// When the first of them was logged, in milliseconds since 1970-01-01T00:00:00Z.
    package var first: Int64
    /// When the last of them was logged.
    package var last: Int64

    package init(stream: Int64, reason: String, records: Int, first: Int64, last: Int64) {
        self.stream = stream
        self.reason = reason
        self.records = records
        self.first = first
        self.last = last
    }

    /// What is told in the stream: `logbeam: 1,204 records dropped between … and …: disk full`.
    package var description: String {
        let times = [first, last].map { UTCTime(millisecondsSinceEpoch: $0).iso8601 }
        let noun = records == 1 ? "record" : "records"
        return "\(Self.signature)\(records.grouped) \(noun) dropped between \(times[0]) and \(times[1]): \(reason)"
    }

    /// How a reason stands in `gaps` as long as the stream has not been told: apart from what it was told already, so that
    /// the next process knows.
    static func untold(_ reason: String) -> String { reason + untoldMark }
    /// How records stand in `gaps` that the service refused, until their stream has been told; afterwards `rejected` alone
    /// counts them.
    static func refusal(_ reason: RejectionReason) -> String { "\(refusalMark) (\(reason.rawValue))" }
    static let refusalMark = "refused by CloudWatch Logs"
    /// How what is told in a stream begins. That it was refused is not told again, or that would never end.
    static let signature = "logbeam: "
    /// No description has more bytes than this.
    static let longestDescription = 200
    static let untoldMark = " (not told yet)"
}

extension SpoolError {
    /// Why a record was dropped, for ``Gap/reason``: a few words that are the same for all records with that fate.
    package var gapReason: String {
        switch kind {
        case .busy: "spool locked"
        case .full: "disk full"
        case .quotaExceeded: "disk quota exceeded"
        case .atLimit, .walHeld: "spool full"
        case .readOnly: "file system read-only"
        case .failedIO: "disk error"
        case .damaged, .notASpool, .newerVersion: "spool damaged"
        case .missing, .unwritable, .sealed, .unsafe, .occupied, .networkFileSystem: "spool not writable"
        case .olderVersion, .superseded, .tooManyFiles, .other: "spool error"
        }
    }
}
