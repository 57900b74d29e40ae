import LogbeamCore

/// An event that the endpoint took.
package struct AcceptedEvent: Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package var timestamp: Int64
    /// Compare the `utf8` where every byte counts: equality of strings forgives different forms of one character.
    package var message: String
    /// The ``RequestInfo/number`` of the request that brought it.
    package var request: Int
    /// When it was taken, by the clock of the endpoint.
    package var ingestionTime: Int64
}

/// A log group as it was created and changed.
package struct LogGroupInfo: Sendable, Equatable {
    package var retentionDays: Int?
    package var logGroupClass = "STANDARD"
    package var tags: [String: String] = [:]
    package var kmsKeyID: String?
}

/// The log groups and streams of the account, and what the operations do with them. Pure: time comes in as a value.
struct LogsAccount: Sendable {
    struct Group {
        var info = LogGroupInfo()
        /// The streams by name, with the time of their creation in milliseconds.
        var streams: [String: Int64] = [:]
    }

    let region: String
    /// How long after it was accepted an event is first shown by GetLogEvents, in milliseconds.
    var readDelay: Int64 = 0
    /// PutLogEvents creates what is missing.
    var autoCreate: Bool
    var groups: [String: Group] = [:]
    /// In the order of their acceptance, also what was deleted since.
    var accepted: [Destination: [AcceptedEvent]] = [:]
    /// How many of the accepted events went with a stream that was deleted.
    private var deleted: [Destination: Int] = [:]

    init(autoCreate: Bool, region: String) {
        self.autoCreate = autoCreate
        self.region = region
    }

    static func arn(_ service: String, region: String, _ resource: String) -> String {
        "arn:aws:\(service):\(region):123456789012:\(resource)"
    }

    /// Does what a request asks; returns the members of the answer, or `nil` where AWS answers with an empty body.
    mutating func answer(
        _ operation: LogsOperation,
        _ input: LogsInput,
        refusing refused: RefusedEvents?,
        now: Int64,
        request: Int
    ) throws(LogsError) -> [String: Any]? {
        switch operation {
        case .putLogEvents:
            return try put(input, refusing: refused, now: now, request: request)
        case .createLogGroup:
            let name = try input.group()
            guard groups[name] == nil else {
                throw LogsError("ResourceAlreadyExistsException", "The specified log group already exists")
            }
            groups[name] = Group(info: try input.newGroup())
            return nil
        case .putRetentionPolicy:
            let name = try input.group()
            _ = try group(name)
            groups[name]?.info.retentionDays = try input.retention()
            return nil
        case .createLogStream:
            let destination = try input.destination()
            guard try group(destination.logGroup).streams[destination.logStream] == nil else {
                throw LogsError("ResourceAlreadyExistsException", "The specified log stream already exists")
            }
            create(destination, now: now)
            return nil
        case .describeLogStreams:
            return try describe(input)
        case .getLogEvents:
            return try get(input, now: now)
        }
    }

    /// Creates the stream, and its group if need be.
    mutating func create(_ destination: Destination, now: Int64) {
        groups[destination.logGroup, default: Group()].streams[destination.logStream] = now
    }

    /// Deletes the stream and what is in it.
    mutating func delete(_ destination: Destination) {
        groups[destination.logGroup]?.streams[destination.logStream] = nil
        deleted[destination] = accepted[destination]?.count
    }

    /// Deletes the group with all of its streams.
    mutating func deleteGroup(_ name: String) {
        for stream in groups[name]?.streams.keys.map(\.self) ?? [] {
            delete(Destination(logGroup: name, logStream: stream))
        }
        groups[name] = nil
    }

    private func group(_ name: String) throws(LogsError) -> Group {
        guard let group = groups[name] else {
            throw LogsError("ResourceNotFoundException", "The specified log group does not exist.")
        }
        return group
    }

    private func existing(_ destination: Destination) throws(LogsError) -> Group {
        let group = try group(destination.logGroup)
        guard group.streams[destination.logStream] != nil else {
            throw LogsError("ResourceNotFoundException", "The specified log stream does not exist.")
        }
        return group
    }

    private mutating func put(
        _ input: LogsInput,
        refusing: RefusedEvents?,
        now: Int64,
        request: Int
    ) throws(LogsError) -> [String: Any] {
        let destination = try input.destination()
        let events = try input.events()
        let retentionDays = groups[destination.logGroup]?.info.retentionDays
        let refused = refusing ?? PutLogEventsRules.refused(events, now: now, retentionDays: retentionDays)
        try PutLogEventsRules.check(events, refused: refused)
        if autoCreate, groups[destination.logGroup]?.streams[destination.logStream] == nil {
            create(destination, now: now)
        }
        _ = try existing(destination)

        for (index, event) in events.enumerated() where refused.reason(at: index) == nil {
            let accepted = AcceptedEvent(
                timestamp: event.timestamp,
                message: event.message,
                request: request,
                ingestionTime: now
            )
            self.accepted[destination, default: []].append(accepted)
        }
        var indices: [String: Any] = [:]
        indices["tooOldLogEventEndIndex"] = refused.tooOldEnd
        indices["expiredLogEventEndIndex"] = refused.expiredEnd
        indices["tooNewLogEventStartIndex"] = refused.tooNewStart
        // AWS goes on to send the token that nobody needs any more.
        let token: [String: Any] = ["nextSequenceToken": String(repeating: "0", count: 56)]
        return indices.isEmpty ? token : token.merging(["rejectedLogEventsInfo": indices]) { $1 }
    }

    private func describe(_ input: LogsInput) throws(LogsError) -> [String: Any] {
        let name = try input.group()
        let prefix = input.logStreamNamePrefix ?? ""
        let streams = try group(name).streams.filter { $0.key.hasPrefix(prefix) && $0.key > (input.nextToken ?? "") }
        let page = streams.sorted { $0.key < $1.key }.prefix(try limit(input, atMost: 50))
        var answer: [String: Any] = [:]
        answer["logStreams"] = page.map { stream, created in
            let arn = Self.arn("logs", region: region, "log-group:\(name):log-stream:\(stream)")
            return ["logStreamName": stream, "creationTime": created, "arn": arn, "storedBytes": 0] as [String: Any]
        }
        if page.count < streams.count { answer["nextToken"] = page.last?.key }
        return answer
    }

    /// The tokens say how many of the events in the range of time lie before the page, and behind its end.
    private func get(_ input: LogsInput, now: Int64) throws(LogsError) -> [String: Any] {
        let destination = try input.destination()
        _ = try existing(destination)
        let range = (input.startTime ?? 0)..<max(input.endTime ?? .max, input.startTime ?? 0)
        let events = accepted[destination, default: []].dropFirst(deleted[destination, default: 0])
            .filter { range.contains($0.timestamp) && $0.ingestionTime + readDelay <= now }
            .enumerated().sorted { ($0.element.timestamp, $0.offset) < ($1.element.timestamp, $1.offset) }
            .map(\.element)
        let page = try pageBounds(of: events, input)
        return [
            "events": events[page].map { event in
                ["timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingestionTime]
                    as [String: Any]
            },
            "nextForwardToken": "f/\(page.upperBound)",
            "nextBackwardToken": "b/\(page.lowerBound)",
        ]
    }

    /// At most the limit, and at most 1 MB of messages but at least one.
    private func pageBounds(of events: [AcceptedEvent], _ input: LogsInput) throws(LogsError) -> Range<Int> {
        let limit = try limit(input, atMost: 10_000)
        var isForward = input.startFromHead == true
        var edge = isForward ? 0 : events.count
        if let token = input.nextToken {
            guard let number = Int(token.dropFirst(2)), number >= 0, token.hasPrefix("f/") || token.hasPrefix("b/")
            else { throw .invalidParameter("The specified nextToken is invalid.") }
            guard token.hasPrefix("b/") || input.startFromHead == true else {
                throw .invalidParameter("startFromHead must be true with a forward token.")
            }
            isForward = token.hasPrefix("f/")
            edge = min(number, events.count)
        }
        var (start, end, size) = (edge, edge, 0)
        while end - start < limit, isForward ? end < events.count : start > 0 {
            size += events[isForward ? end : start - 1].message.utf8.count
            if size > 1_000_000, end > start { break }
            if isForward { end += 1 } else { start -= 1 }
        }
        return start..<end
    }

    private func limit(_ input: LogsInput, atMost maximum: Int) throws(LogsError) -> Int {
        let limit = input.limit ?? maximum
        guard (1...maximum).contains(limit) else {
            throw .constraint("limit", "have value between 1 and \(maximum)")
        }
        return limit
    }
}
