public import Logging
internal import LogbeamSpool

/// A swift-log handler that commits every record to the spool of a ``LogShipper`` before `log()` returns.
///
/// ```swift
/// let shipper = try LogShipper(.init(logGroupName: "my_log_group", logStreamName: "my_log_stream"))
/// LoggingSystem.bootstrap { label in CloudWatchLogsHandler(label: label, shipper: shipper) }
/// ```
///
/// Logging never throws, never talks to the network, and blocks for one commit, or one write to a file with
/// ``LogShipper/Configuration/usesJournal``; see there and at ``LogShipper/Configuration/commitTimeout`` for the bound. It
/// needs no precaution on the root logger: logbeam itself never logs through swift-log.
///
/// A struct of a few words, to be copied freely. Metadata of the handler is overridden by that of
/// ``metadataProvider``, and both by that of the log statement.
public struct CloudWatchLogsHandler: LogHandler {
    /// The lowest level that is logged; `.info` at first.
    public var logLevel: Logger.Level = .info
    /// Metadata of every record of this handler.
    public var metadata: Logger.Metadata = [:]
    /// Metadata that is asked for anew at every record.
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String
    let shipper: LogShipper
    private let stream: LiveStream

    /// Logs into the stream that the shipper was made for.
    ///
    /// - Parameters:
    ///   - label: the label of the logger, which appears in the record.
    ///   - shipper: shared by all handlers.
    ///   - metadataProvider: by default the one that `LoggingSystem` was bootstrapped with.
    public init(
        label: String,
        shipper: LogShipper,
        metadataProvider: Logger.MetadataProvider? = LoggingSystem.metadataProvider
    ) {
        self.label = label
        self.shipper = shipper
        self.metadataProvider = metadataProvider
        stream = shipper.ownStream
    }

    /// Logs into another log stream, and maybe another log group, through the same spool and the same shipper.
    ///
    /// Placeholders in the name are replaced as in ``LogShipper/Configuration/logStreamName``, once for all handlers of
    /// the shipper that are made with the same names. The first of them blocks: it commits the name, for which it waits as
    /// ``LogShipper/Configuration/commitTimeout`` says, and `{instance_id}` asks the network.
    ///
    /// - Parameters:
    ///   - label: the label of the logger, which appears in the record.
    ///   - shipper: shared by all handlers.
    ///   - logGroupName: that of the shipper where none is given.
    ///   - logStreamName: may hold placeholders.
    ///   - metadataProvider: by default the one that `LoggingSystem` was bootstrapped with.
    /// - Throws: ``ConfigurationError`` if a name is not one that CloudWatch Logs takes; an error of the spool if it can
    ///   not note the new stream.
    public init(
        label: String,
        shipper: LogShipper,
        logGroupName: String? = nil,
        logStreamName: String,
        metadataProvider: Logger.MetadataProvider? = LoggingSystem.metadataProvider
    ) throws {
        self.label = label
        self.shipper = shipper
        self.metadataProvider = metadataProvider
        stream = try shipper.stream(logGroupName: logGroupName, logStreamName: logStreamName)
    }

    /// Logs with a shipper that the handler makes by itself, with the six arguments and the defaults of the Python
    /// package *logbeam*.
    ///
    /// Handlers with the same settings share one shipper, whatever their group and stream, and it lives as long as the
    /// process. Clients are the same if they are one object or, being no objects, of one type. Make a ``LogShipper``
    /// for the settings that are not here.
    ///
    /// - Throws: as ``LogShipper/init(_:)``.
    public init(
        label: String,
        logGroupName: String,
        logStreamName: String,
        bufferDuration: Duration = .seconds(10),
        batchCount: Int = 10_000,
        batchSize: Int = 1_048_576,
        logsClient: (any CloudWatchLogsClient)? = nil,
        spool: String = LogShipper.Configuration.defaultSpoolPath()
    ) throws {
        let shipper = try SharedShippers.shipper(
            LogShipper.Configuration(
                logGroupName: logGroupName,
                logStreamName: logStreamName,
                spool: spool,
                bufferDuration: bufferDuration,
                batchCount: batchCount,
                batchSize: batchSize,
                logsClient: logsClient
            )
        )
        try self.init(label: label, shipper: shipper, logGroupName: logGroupName, logStreamName: logStreamName)
    }

    /// Metadata of every record of this handler, by key.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Renders the record and commits it.
    public func log(event: LogEvent) {
        let timestamp = WallClock.milliseconds()
        let metadata = Logger.Metadata.merged(handler: metadata, provider: metadataProvider, event: event.metadata)
        let message = shipper.configuration.format.render(
            event: event,
            label: label,
            metadata: metadata,
            timestampMilliseconds: timestamp
        )
        shipper.append(
            stream: stream,
            timestamp: timestamp,
            message: message,
            isSynced: shipper.configuration.durability.syncs(event.level)
        )
    }
}
