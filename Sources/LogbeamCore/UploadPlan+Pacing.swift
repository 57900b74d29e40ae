extension UploadPlan {
    /// How fast batches are sent.
    package struct Pacing: Sendable, Equatable {
        /// The most batches on their way at once.
        package var inFlight: Int
        /// The least time between two batches of one stream, in milliseconds. CloudWatch Logs asks for none since 2023.
        package var interval: Int64
        /// The most batches a second, of all streams; `nil`: no bound.
        package var putsPerSecond: Int?

        /// How many batches may be on their way at once where nobody says otherwise.
        ///
        /// Two hide most of the time that a batch travels: with 20 ms of latency a drain is 1.7 times as fast as with
        /// one, and each further one hides less and takes 3 MiB. And one that hangs leaves room for the other.
        package static let defaultInFlight = 2

        package init(inFlight: Int = defaultInFlight, interval: Int64 = 0, putsPerSecond: Int? = nil) {
            self.inFlight = inFlight
            self.interval = interval
            self.putsPerSecond = putsPerSecond
        }

        /// A batch that is full by the setting for its count, and neither late nor asked for by a flush, is not sent sooner
        /// than this after the one before it, in milliseconds: a small setting must not make a storm of requests.
        static let coalescing: Int64 = 100

        /// The least time between two batches of streams whose last one failed, of all of them together, in milliseconds:
        /// where the service is down, or does not let us in, ten requests a second are enough to notice that it is back,
        /// however many streams there are. The first that gets through ends it.
        static let retryInterval: Int64 = 100
    }
}
