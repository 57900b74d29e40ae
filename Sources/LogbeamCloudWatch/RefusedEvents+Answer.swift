internal import LogbeamAWS
internal import LogbeamCore

extension RefusedEvents {
    /// Reads `rejectedLogEventsInfo` out of an answer of PutLogEvents. Indices that lie outside the batch are brought to
    /// its ends; one that refuses nothing is left out.
    init(_ answer: JSONValue, eventCount: Int) {
        func index(_ name: String) -> Int? {
            answer["rejectedLogEventsInfo"]?[name]?.integer.map { Int(min(max($0, 0), Int64(eventCount))) }
        }
        self.init(
            tooOldEnd: index("tooOldLogEventEndIndex").flatMap { $0 > 0 ? $0 : nil },
            expiredEnd: index("expiredLogEventEndIndex").flatMap { $0 > 0 ? $0 : nil },
            tooNewStart: index("tooNewLogEventStartIndex").flatMap { $0 < eventCount ? $0 : nil }
        )
    }
}
