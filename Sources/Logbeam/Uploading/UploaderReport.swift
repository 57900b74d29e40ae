package import LogbeamSpool

extension Uploader {
    /// How an uploader stands, for other threads to see.
    package struct Report: Sendable {
        /// When its thread last came by, in milliseconds of the monotonic clock. While all is well it comes by once a second
        /// or more often; it may take longer where the disk is slow, or another process keeps the spool locked.
        package internal(set) var lastTurn: Int64
        /// True: it uploads. False: another process does. `nil`: it has not asked for the lease yet, or could not, or could
        /// not begin with it.
        package internal(set) var holdsLease: Bool?
        /// Nothing was pending when it last had nothing to do.
        package internal(set) var isEmpty = false
        /// What all its loops together have done.
        package private(set) var totals = UploadLoop.Totals()
        /// The streams that are not getting through.
        package private(set) var troubles: [UploadLoop.Trouble] = []
        /// Why the spool could not be read or written, or its upload not begin, when it last tried.
        package private(set) var spoolError: SpoolError?

        /// It asked for the lease, but could not have it, or could not begin.
        package var hasNotBegun: Bool { holdsLease == nil && spoolError != nil }

        init(lastTurn: Int64) {
            self.lastTurn = lastTurn
        }

        /// That of one who stands by.
        init(lastTurn: Int64, after previous: Report, _ spoolError: SpoolError?) {
            self.lastTurn = lastTurn
            holdsLease = spoolError == nil ? false : nil
            totals = previous.totals
            self.spoolError = spoolError
        }

        /// - Parameters:
        ///   - step: the last one that the loop took.
        ///   - before: what the loops before this one have done.
        mutating func note(
            _ loop: UploadLoop,
            _ step: UploadLoop.Progress,
            before: UploadLoop.Totals,
            at now: Int64
        ) {
            lastTurn = now
            holdsLease = true
            isEmpty = false
            totals = before + loop.totals
            spoolError = loop.spoolError
            // They may be many, and steps come fast.
            guard case .waiting = step else { return }
            troubles = loop.troubles.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

extension UploadLoop.Totals {
    fileprivate static func + (a: Self, b: Self) -> Self {
        Self(
            batches: a.batches + b.batches,
            records: a.records + b.records,
            bytes: a.bytes + b.bytes,
            rejected: a.rejected + b.rejected,
            failures: a.failures + b.failures
        )
    }
}
