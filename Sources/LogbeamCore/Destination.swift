/// A log stream, named as CloudWatch Logs names it.
package struct Destination: Sendable, Hashable {
    package var logGroup: String
    package var logStream: String

    package init(logGroup: String, logStream: String) {
        self.logGroup = logGroup
        self.logStream = logStream
    }
}

/// By their bytes, as CloudWatch Logs and SQLite do it: an é may be one scalar or two, and is the same character to Swift.
extension Destination {
    package static func == (a: Destination, b: Destination) -> Bool {
        a.logGroup.hasSameBytes(as: b.logGroup) && a.logStream.hasSameBytes(as: b.logStream)
    }

    package func hash(into hasher: inout Hasher) {
        for var name in [logGroup, logStream] { name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) } }
    }
}

extension String {
    /// Whether it is the same text, written in the same way.
    package func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

/// The names that CloudWatch Logs takes: see CreateLogGroup and CreateLogStream in its API Reference.
extension Destination {
    /// What a log group is named with, for people.
    package static let logGroupBound = "1 to 512 of the characters a-z A-Z 0-9 _ - / . #"
    /// What a log stream is named with, for people.
    package static let logStreamBound = "1 to 512 characters without : and *"

    package static func isValid(logGroup name: String) -> Bool {
        (1...512).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { scalar in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "_", "-", "/", ".", "#": true
                default: false
                }
            }
    }

    package static func isValid(logStream name: String) -> Bool {
        (1...512).contains(name.unicodeScalars.count) && !name.unicodeScalars.contains { $0 == ":" || $0 == "*" }
    }
}
