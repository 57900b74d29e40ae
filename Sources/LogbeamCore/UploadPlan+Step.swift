extension UploadPlan {
    package enum Step: Sendable, Equatable {
        /// Read the next headers of all streams after this id.
        case scan(after: Int64)
        /// Read the next headers of one stream after this id, up to and including the other.
        case catchUp(stream: Int64, after: Int64, through: Int64)
        /// Move these records to `rejected`, before anything is sent.
        case reject([RefusedRecord])
        /// Send this batch.
        ///
        /// - Parameter ids: those of its records, ascending, where it is sparse: they are found by them, since between them
        ///   lie too many of other streams. Empty where it is not, or where nobody knows them any more.
        case send(BatchRange, ids: [Int64])
        /// Nothing to do before this time, on the monotonic clock, in milliseconds; `nil`: until something happens.
        case wait(until: Int64?)
    }

    /// A reading of both clocks, in milliseconds: the time of day for the age of records, which carry it, and the
    /// monotonic clock for waiting, which must not notice that the time of day is set.
    package struct Moment: Sendable {
        package var wall: Int64
        package var monotonic: Int64
        /// How far the service's clock is ahead of the time of day here; `nil` as long as it has not told.
        package var serviceOffset: Int64? = 0

        package init(wall: Int64, monotonic: Int64) {
            self.wall = wall
            self.monotonic = monotonic
        }

        /// The times of records that the service takes now. What is too old is never sent, so both clocks must say so, and
        /// ours alone is no clock to throw records away by; what is too far ahead is sent later.
        ///
        /// - Parameter trustsService: its clock says what is too far ahead, and not ours.
        func acceptedTimes(byService trustsService: Bool) -> ClosedRange<Int64> {
            let service = wall.addingSaturated(serviceOffset ?? 0)
            let oldest = serviceOffset == nil ? .min : min(wall, service).subtractingSaturated(BatchLimits.maximumAge)
            let newest = (trustsService ? service : wall).addingSaturated(BatchLimits.maximumAhead)
            return oldest...max(oldest, newest)
        }
    }
}
