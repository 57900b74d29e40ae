/// Where batches go. The uploader knows the service by this protocol alone.
///
/// Every call blocks until there is an outcome, on a thread of the uploader's, and never throws: whatever goes wrong is
/// an outcome. Several threads may call at once, and any thread may call ``cancel()``.
package protocol DeliveryService: Sendable {
    /// Sends one batch and says what became of it.
    func send(_ batch: EventBatch) -> DeliveryOutcome

    /// Makes sure that the log group and the log stream exist; `.accepted` if they do now.
    func create(_ destination: Destination) -> DeliveryOutcome

    /// Looks for the events of a batch whose answer was never seen. A service that can not look finds nothing.
    func lookUp(_ batch: EventBatch) -> LookUpOutcome

    /// What will go wrong before long though batches are accepted now, for `status`; `nil` if nothing is known to.
    var warning: String? { get }

    /// How far its clock is ahead of the time of day here, in milliseconds; `nil` as long as it has not told. By that it
    /// calls records too old or too new. Of a service that does not tell, 0: there is no better clock than ours.
    var clockOffset: Int64? { get }

    /// Makes the call in progress, and every later one, return soon with a transient failure.
    func cancel()
}

extension DeliveryService {
    package func lookUp(_ batch: EventBatch) -> LookUpOutcome { .found([]) }

    package var warning: String? { nil }

    package var clockOffset: Int64? { 0 }
}

/// What came of looking for the events of a batch.
package enum LookUpOutcome: Sendable, Equatable {
    /// The indices of the events that the service has, counted in the batch from zero. What is missing may still be on
    /// its way: a service shows an event some time after it took it.
    case found(Set<Int>)
    /// It could not be looked for. Says nothing of the batch; neither `.accepted` nor `.invalid`.
    case failed(DeliveryOutcome)
}
