/// Where batches go. The uploader knows the service by this protocol alone.
///
/// Every call blocks until there is an outcome, on the uploader's own thread, and never throws: whatever goes wrong is
/// an outcome. ``cancel()`` may be called from any thread.
package protocol DeliveryService: Sendable {
    /// Sends one batch and says what became of it.
    func send(_ batch: EventBatch) -> DeliveryOutcome

    /// Makes sure that the log group and the log stream exist; `.accepted` if they do now.
    func create(_ destination: Destination) -> DeliveryOutcome

    /// Makes the call in progress, and every later one, return soon with a transient failure.
    func cancel()
}
