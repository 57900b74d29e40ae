extension UploadPlan {
    /// How one stream stands.
    struct Stream {
        /// The batch that is being gathered.
        var planner: BatchPlanner
        /// Where the pass over all streams found the last record that it gathered: see ``UploadPlan/position``.
        var position = 0
        /// Batches on their way.
        var inFlight: [BatchRange] = []
        /// The ids of sparse batches that are on their way, or to be sent again.
        var ids: [BatchRange: [Int64]] = [:]
        /// Which of them hold every row from their first record to their last.
        var whole: Set<BatchRange> = []
        /// When the last one was sent, on the monotonic clock.
        var lastPut: Int64?
        /// When its first record was gathered, on the monotonic clock.
        var gatheringSince: Int64 = 0
        /// Records from this id on were passed over: see ``UploadPlan/pass(_:)``.
        var resumeFrom: Int64?
        /// The last record that was passed over and asks to be sent; older ones that do not ask go along.
        var resumeThrough: Int64 = 0
        /// The last record that was passed over, whether or not it asks.
        var lastPassed: Int64 = 0
        /// Batches to be sent again exactly as they are: in doubt, failed, or halves of an invalid one.
        var replays: [BatchRange] = []
        /// Those and the ones of them that are on their way again. Until they are delivered the stream gathers nothing: a
        /// batch that reached over one of them would hold its records too.
        var unsettled: Set<BatchRange> = []
        /// Records that the service will take only later: the first of them, and when (time of day).
        var early: (firstID: Int64, until: Int64)?
        /// Nothing is sent before this time, on the monotonic clock, unless a flush asks for it.
        var retryAt = Int64.min
        /// Nothing is sent before this time, on the monotonic clock: the service said so.
        var notBefore = Int64.min
        /// The last batch did not get through.
        var isFailing = false

        var waitEnd: Int64 { max(retryAt, notBefore) }

        func isWaiting(at now: Moment) -> Bool { now.monotonic < waitEnd }

        /// It has nothing to send, and nothing to come back to.
        var isIdle: Bool { !isBusy && early == nil }

        /// It has something to send, or will have when it has caught up.
        var isBusy: Bool {
            !inFlight.isEmpty || !unsettled.isEmpty || resumeFrom != nil || planner.count > 0
        }

        /// Records whose time has come lie behind batches on their way: those must come home first.
        func isTurningBack(at now: Moment) -> Bool { early.map { $0.until <= now.wall && !inFlight.isEmpty } ?? false }

        /// When a batch that is full, and neither late nor asked for, may be sent.
        var coalesced: Int64 { lastPut.map { $0 + Pacing.coalescing } ?? .min }
    }
}
