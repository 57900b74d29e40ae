internal import LogbeamCore
internal import LogbeamSpool

extension LogShipper {
    /// How the records in a spool stand, of all its streams; see ``LogShipper/status()``.
    ///
    /// All times are in milliseconds since 1970-01-01T00:00:00Z.
    public struct Status: Sendable, Equatable {
        /// A log stream whose last attempt to send failed.
        public struct Failure: Sendable, Equatable {
            /// The name of its log group.
            public var logGroupName: String
            /// Its own name.
            public var logStreamName: String
            /// What the service answered, or why it was not reached: its name of the error, a colon, and words for people.
            public var message: String
            /// When that was.
            public var time: Int64
        }

        /// How many records are to be sent.
        public var pending: Int
        /// The bytes of UTF-8 of their messages.
        public var pendingBytes: Int
        /// The time of the oldest of them; `nil` where none is pending.
        public var oldestPending: Int64?
        /// How many batches nobody knows of whether they have arrived: those on their way, and those that a process left when it
        /// died.
        public var inDoubt: Int
        /// How many records were acknowledged since the spool was made.
        public var delivered: Int
        /// How many records the service does not take, as far as they are kept: `logbeam-spool rejected` shows them.
        public var rejected: Int
        /// How many records are neither sent nor in the spool any more: it was full or not to be written, or they were rejected
        /// and are no longer kept.
        public var dropped: Int
        /// When a batch was last acknowledged; `nil` if none ever was.
        public var lastDelivery: Int64?
        /// The streams that do not get through, in the order of their names; none where all is well.
        public var failures: [Failure]
        /// Whether this process uploads. Of all that share a spool one does.
        public var isUploading: Bool

        init(_ spool: SpoolStatus, isUploading: Bool) {
            pending = spool.pending
            pendingBytes = spool.pendingBytes
            oldestPending = spool.oldest
            inDoubt = spool.inDoubt
            delivered = spool.delivered
            rejected = spool.rejected
            dropped = spool.dropped
            lastDelivery = spool.lastDelivery
            failures = spool.streams.compactMap(Failure.init)
            self.isUploading = isUploading
        }
    }
}

extension LogShipper.Status.Failure {
    fileprivate init?(_ stream: SpoolStatus.Stream) {
        // A delivery takes it back.
        guard let message = stream.lastError, let time = stream.lastErrorTime else { return nil }
        self.init(
            logGroupName: stream.destination.logGroup,
            logStreamName: stream.destination.logStream,
            message: message,
            time: time
        )
    }
}
