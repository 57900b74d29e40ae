import LogbeamCore
public import Logging

/// How a record becomes the message of a CloudWatch Logs event.
///
/// The level and the time of a record are not part of an event's message unless the format puts them there; the time is
/// always sent beside it, as the event's timestamp.
public enum RecordFormat: Sendable {
    /// A line for people, and the default: `INFO label: message key=value`.
    ///
    /// - The message stays as it is, so it may hold line breaks or look like metadata itself. Take ``json`` where a
    ///   program must be certain.
    /// - Metadata follows in the order of its keys. An array is written `[a,b]` and a dictionary `{key=value}`.
    /// - An error follows the metadata as `error.message=` and `error.type=`, the names of swift-log's own handlers.
    /// - A label, key or value is put in double quotes if it is empty or holds a space, a control character, a line
    ///   separator or one of `" \ = , [ ] { }`. What stands in quotes is escaped as in JSON: it stays on its line, and
    ///   different metadata never look the same. An empty label is left out with its space.
    case text

    /// The message alone, as the Python package *logbeam* sends it. Level, label, metadata and error are dropped.
    case message

    /// A JSON object on one line, for CloudWatch Logs Insights and other programs.
    ///
    /// ```json
    /// {"time":"2026-11-22T19:42:09.123Z","level":"info","label":"app","message":"…","metadata":{…},"source":"App"}
    /// ```
    ///
    /// The keys come in this order, the keys of metadata sorted. `time` is UTC. Metadata keeps its structure.
    /// `metadata` is left out when empty. A record with an error ends in `"error":{"type":"…","message":"…"}`.
    ///
    /// A `stringConvertible` integer of the standard library, `Double`, `Float` or `Bool` is a number, `true` or `false`, which
    /// metric filters can compare. Any other value is a string, and so is what JSON has no number for. Programs that read
    /// JSON may round numbers of more than 15 digits: log an identifier as a string.
    case json

    /// Whatever the closure returns. It runs on the thread that logs, once a record, and must not log itself.
    ///
    /// ```swift
    /// .custom { record in "\(record.level) \(record.message) \(record.metadata["request.id"] ?? "-")" }
    /// ```
    case custom(@Sendable (Record) -> String)

    /// All that is known of one record.
    public struct Record: Sendable {
        /// The label of the logger.
        public var label: String
        /// The level at which it was logged.
        public var level: Logger.Level
        /// The text that was logged.
        public var message: String
        /// The metadata of handler, provider and log statement; where keys meet, the later of the three has won.
        public var metadata: Logger.Metadata
        /// The module that logged, unless the log statement says otherwise.
        public var source: String
        /// The file of the log statement.
        public var file: String
        /// The function of the log statement.
        public var function: String
        /// The line of the log statement.
        public var line: UInt
        /// The error given to the log statement.
        public var error: (any Error)?
        /// Milliseconds since 1970-01-01T00:00:00Z.
        public var timestamp: Int64
    }

    /// The message for an event, as a native string whose UTF-8 lies contiguous.
    ///
    /// Pure but for what it calls: the descriptions of metadata values and errors, and the closure of ``custom(_:)``.
    ///
    /// - Parameters:
    ///   - metadata: The merged metadata; that of the event itself is not looked at.
    ///   - timestampMilliseconds: Milliseconds since 1970-01-01T00:00:00Z.
    package func render(
        event: LogEvent,
        label: String,
        metadata: Logger.Metadata,
        timestampMilliseconds: Int64
    ) -> String {
        var rendered: String
        switch self {
        case .text:
            rendered = TextWriter.render(event: event, label: label, metadata: metadata)
        case .message:
            rendered = event.message.description
        case .json:
            let time = UTCTime(millisecondsSinceEpoch: timestampMilliseconds)
            rendered = JSONWriter.render(event: event, label: label, metadata: metadata, time: time)
        case .custom(let format):
            rendered = format(
                Record(
                    label: label,
                    level: event.level,
                    message: event.message.description,
                    metadata: metadata,
                    source: event.source,
                    file: event.file,
                    function: event.function,
                    line: event.line,
                    error: event.error,
                    timestamp: timestampMilliseconds
                )
            )
        }
        rendered.makeContiguousUTF8()
        return rendered
    }

    /// Metadata nested deeper than this is written as `…`, so that no value can overflow the stack of a thread that
    /// logs. Far above what a person writes; JSON parsers commonly refuse 512 and more.
    static let maximumDepth = 64

    /// Stands for what lies deeper than ``maximumDepth``.
    static let tooDeep = "…"
}

extension Logger.Metadata {
    /// The entries in the order of their keys.
    var inOrderOfKeys: [Element] {
        count > 1 ? sorted { $0.key < $1.key } : Array(self)
    }
}

extension Error {
    /// The name of the error's type with its module, as swift-log's own handlers give it.
    var typeName: String { String(reflecting: type(of: self)) }
}
