/// What would be sent now, if everything were: in the batches that ``UploadPlan`` would form. Pure.
///
/// It is told of all pending records, in the order of their ids.
package struct BatchForecast: Sendable {
    /// What would become of the records of a stream.
    package struct Stream: Sendable, Equatable {
        package var records = 0
        /// The UTF-8 bytes of the messages.
        package var bytes = 0
        package var batches = 0
        /// Records that would be put aside, since the service never takes them.
        package var refused = 0
        /// Records that would stay, since the service does not take them yet.
        package var early = 0
    }

    private let limits: BatchLimits
    private let now: Int64
    private let inDoubt: [BatchRange]
    private var planners: [Int64: BatchPlanner] = [:]
    private(set) package var streams: [Int64: Stream] = [:]

    /// - Parameters:
    ///   - inDoubt: batches that would be sent again as they are.
    ///   - now: milliseconds since 1970-01-01T00:00:00Z.
    package init(limits: BatchLimits, inDoubt: [BatchRange], now: Int64) {
        self.limits = limits
        self.now = now
        self.inDoubt = inDoubt
        for range in inDoubt { streams[range.stream, default: Stream()].batches += 1 }
    }

    package mutating func add(_ header: RecordHeader) {
        var stream = streams[header.stream] ?? Stream()
        defer { streams[header.stream] = stream }
        func take() {
            stream.records += 1
            stream.bytes += header.byteCount
        }
        if inDoubt.contains(where: { $0.contains(header) }) { return take() }
        var planner = planners[header.stream] ?? BatchPlanner(limits: limits)
        defer { planners[header.stream] = planner }
        var verdict = planner.add(header, now: now)
        if verdict == .full {
            planner = BatchPlanner(limits: limits)
            verdict = planner.add(header, now: now)
        }
        switch verdict {
        case .taken:
            if planner.count == 1 { stream.batches += 1 }
            take()
        case .refused: stream.refused += 1
        case .early, .full: stream.early += 1
        }
    }
}
