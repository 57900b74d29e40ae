internal import LogbeamCore

/// Writes the bodies of requests, straight into one buffer of bytes each.
enum RequestEncoder {
    /// The body of PutLogEvents. Valid JSON whatever bytes the messages hold.
    static func body(_ batch: EventBatch) -> [UInt8] {
        var body: [UInt8] = []
        // Around a message stand 38 bytes of names and punctuation and 13 digits of time; the rest is for escapes.
        body.reserveCapacity(1_024 + batch.messages.count * 5 / 4 + batch.events.count * 56)
        appendDestination(batch.destination, to: &body)
        body.append(#","logEvents":["#)
        batch.messages.withUnsafeBufferPointer { messages in
            // What stands before a message is mostly what stood before the last one.
            var time: Int64?
            var head: [UInt8] = []
            for event in batch.events {
                if event.timestamp != time {
                    time = event.timestamp
                    head.removeAll(keepingCapacity: true)
                    head.append(#"{"timestamp":"#)
                    appendDecimal(event.timestamp, to: &head)
                    head.append(#","message":""#)
                }
                body.append(contentsOf: head)
                if event.range.isEmpty {
                    // PutLogEvents takes no empty message.
                    body.append(" ")
                } else {
                    body.appendJSONCharacters(UnsafeBufferPointer(rebasing: messages[event.range]))
                }
                body.append(#""},"#)
            }
            // The last comma.
            if !batch.events.isEmpty { body.removeLast() }
        }
        body.append("]}")
        return body
    }

    /// The body of CreateLogStream.
    static func body(creating destination: Destination) -> [UInt8] {
        var body: [UInt8] = []
        appendDestination(destination, to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// The body of CreateLogGroup. What is not set is left out; so are no tags, which the service does not take.
    static func body(creatingLogGroup name: String, _ settings: CreationSettings) -> [UInt8] {
        var body: [UInt8] = []
        body.append(#"{"logGroupName":"#)
        body.appendJSONString(name)
        if let kmsKeyID = settings.kmsKeyID {
            body.append(#","kmsKeyId":"#)
            body.appendJSONString(kmsKeyID)
        }
        if !settings.tags.isEmpty {
            body.append(#","tags":"#)
            var separator: StaticString = "{"
            for (key, value) in settings.tags.sorted(by: { $0.key < $1.key }) {
                body.append(separator)
                separator = ","
                body.appendJSONString(key)
                body.append(UInt8(ascii: ":"))
                body.appendJSONString(value)
            }
            body.append(UInt8(ascii: "}"))
        }
        if let logGroupClass = settings.logGroupClass {
            body.append(#","logGroupClass":"#)
            body.appendJSONString(logGroupClass)
        }
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// The body of PutRetentionPolicy.
    static func body(settingRetentionOf logGroup: String, days: Int) -> [UInt8] {
        var body: [UInt8] = []
        body.append(#"{"logGroupName":"#)
        body.appendJSONString(logGroup)
        body.append(#","retentionInDays":"#)
        appendDecimal(Int64(days), to: &body)
        body.append(UInt8(ascii: "}"))
        return body
    }

    /// The body of GetLogEvents, from the oldest event on. Times in milliseconds since 1970-01-01T00:00:00Z.
    static func body(
        reading destination: Destination,
        from start: Int64,
        to end: Int64,
        after token: String?
    ) -> [UInt8] {
        var body: [UInt8] = []
        appendDestination(destination, to: &body)
        body.append(#","startFromHead":true,"startTime":"#)
        appendDecimal(start, to: &body)
        body.append(#","endTime":"#)
        appendDecimal(end, to: &body)
        if let token {
            body.append(#","nextToken":"#)
            body.appendJSONString(token)
        }
        body.append(UInt8(ascii: "}"))
        return body
    }

    private static func appendDestination(_ destination: Destination, to body: inout [UInt8]) {
        body.append(#"{"logGroupName":"#)
        body.appendJSONString(destination.logGroup)
        body.append(#","logStreamName":"#)
        body.appendJSONString(destination.logStream)
    }

    private static func appendDecimal(_ number: Int64, to body: inout [UInt8]) {
        // 19 digits and a sign.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = digits.count
            var rest = number.magnitude
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                digits[start] = UInt8(ascii: "-")
            }
            body.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
        }
    }
}
