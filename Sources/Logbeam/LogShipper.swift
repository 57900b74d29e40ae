internal import LogbeamAWS
internal import LogbeamCloudWatch
package import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// Commits records to a spool on disk, and ships what stands there to CloudWatch Logs.
///
/// One shipper serves any number of loggers, and through ``CloudWatchLogsHandler/init(label:shipper:logGroupName:logStreamName:)``
/// any number of log streams. Thread-safe.
///
/// - A record is a committed row when `log()` returns: it survives SIGKILL at any instruction, and with
///   ``Configuration/Durability/powerLoss`` a power failure.
/// - A row leaves the spool only when CloudWatch Logs has acknowledged it. What the service will never take goes to the
///   table `rejected`, with the reason.
/// - What is not shipped when the process ends is shipped by the next process that opens the spool, or by
///   `logbeam-spool drain`.
/// - Any number of processes may share a spool; one of them uploads at a time, and when it ends or hangs another does.
public final class LogShipper: Sendable {
    /// How this shipper was made.
    public let configuration: Configuration

    private let spool: Spool
    private let uploader: Uploader
    /// The id in the spool of the stream that the configuration names.
    let ownStream: Int64
    private let losses = Losses()
    /// The ids of the streams in the spool, by the names as they were given, with placeholders.
    private let streams: Mutex<[Destination: Int64]>
    private let facts: @Sendable () -> MachineFacts
    private let maximumMessageSize: Int

    /// Opens the spool, makes it if it is missing, and starts to ship. Needs no network, but for `{instance_id}` in the
    /// name of the stream.
    ///
    /// - Throws: ``ConfigurationError`` if a setting is out of bounds, or what the name of the stream asks for is not to
    ///   be found; an error that names the file, the cause and the remedy if the spool can not be opened.
    public convenience init(_ configuration: Configuration) throws {
        try configuration.validate()
        let service: any DeliveryService =
            if let client = configuration.logsClient {
                ClientDeliveryService(client, creation: CreationSettings(configuration))
            } else {
                CloudWatchLogsService(CloudWatchLogsService.Configuration(configuration))
            }
        try self.init(configuration, service: service)
    }

    /// - Parameter facts: asked only if the name of a stream has placeholders.
    package init(
        _ configuration: Configuration,
        service: any DeliveryService,
        facts: @escaping @Sendable () -> MachineFacts = MachineFacts.current
    ) throws {
        self.configuration = configuration
        self.facts = facts
        let destination = Destination(logGroup: configuration.logGroupName, logStream: configuration.logStreamName)
        let resolved = try destination.resolved(facts)
        maximumMessageSize = configuration.effectiveMaximumMessageSize
        spool = try Spool(
            path: configuration.spool,
            options: Spool.Options(
                powerLossSafe: configuration.durability == .powerLoss,
                commitTimeout: configuration.commitTimeout,
                limit: SpoolLimit(configuration)
            )
        )
        ownStream = try spool.streamID(for: resolved)
        streams = Mutex([destination: ownStream])
        uploader = Uploader(
            spool: spool,
            service: service,
            limits: BatchLimits(configuration),
            pacing: UploadPlan.Pacing(configuration),
            reconcileDelay: configuration.reconcileAfter?.milliseconds,
            lapse: configuration.leaseLapse,
            losses: losses
        )
        try uploader.start()
        ExitFlush.register(self)
    }

    deinit {
        uploader.stop(waitingUntil: 0)
    }

    // MARK: Logging

    /// The id of a log stream in the spool; the shipper's own where a name is not given. Placeholders are replaced once:
    /// the same name stands for the same stream as long as the shipper lives.
    func streamID(logGroupName: String?, logStreamName: String?) throws -> Int64 {
        var named = configuration
        named.logGroupName = logGroupName ?? configuration.logGroupName
        named.logStreamName = logStreamName ?? configuration.logStreamName
        let destination = Destination(logGroup: named.logGroupName, logStream: named.logStreamName)
        if let known = streams.withLock({ $0[destination] }) { return known }
        try named.validate()
        let id = try spool.streamID(for: destination.resolved(facts))
        return streams.withLock { streams in
            // Another thread may have been faster, and a second later is another date.
            let first = streams[destination] ?? id
            streams[destination] = first
            return first
        }
    }

    /// Commits a record. Never throws: a record that the spool does not take goes to standard error and is counted.
    ///
    /// - Parameters:
    ///   - timestamp: milliseconds since 1970-01-01T00:00:00Z.
    ///   - isSynced: waits for the disk too. A record that it fails to sync stays in the spool, and goes to standard error.
    func append(stream: Int64, timestamp: Int64, message: String, isSynced: Bool) {
        guard append(stream: stream, timestamp: timestamp, message: message), isSynced else { return }
        do throws(SpoolError) {
            try spool.sync()
        } catch {
            let shown = message.truncated(toUTF8Count: maximumMessageSize)
            StandardError.write(line: "logbeam: not synced (\(error)): \(shown)")
        }
    }

    /// True if the record is in the spool.
    private func append(stream: Int64, timestamp: Int64, message: String) -> Bool {
        let isQuiet = configuration.logsClient != nil && UploadContext.isActive
        do {
            if !isQuiet, configuration.oversize == .split, message.utf8.count > maximumMessageSize {
                try appendParts(of: message, stream: stream, timestamp: timestamp)
                return true
            }
            var message = message.truncated(toUTF8Count: maximumMessageSize)
            let id = try message.withUTF8 {
                // The uploader must not wait for itself.
                try spool.append(stream: stream, timestamp: timestamp, message: $0, mayBlock: !isQuiet)
            }
            if isQuiet {
                uploader.mailbox.appendedQuietly(id: id)
            } else {
                uploader.mailbox.appended(bytes: message.utf8.count + BatchLimits.eventOverhead)
            }
            return true
        } catch {
            if losses.count(stream: stream, because: error as? SpoolError, at: timestamp) {
                StandardError.write(line: "logbeam: records that are not spooled follow: \(error)")
            }
            let shown =
                configuration.oversize == .split ? message : message.truncated(toUTF8Count: maximumMessageSize)
            StandardError.write(line: "logbeam: not spooled: \(shown)")
            return false
        }
    }

    /// Commits all parts of a message that is too long, or none.
    private func appendParts(of message: String, stream: Int64, timestamp: Int64) throws(SpoolError) {
        let parts = MessageParts(message, limit: maximumMessageSize, id: UInt64.random(in: .min ... .max))
        try parts.bytes.withUnsafeBufferPointer { bytes throws(SpoolError) in
            _ = try spool.append(
                stream: stream,
                timestamp: timestamp,
                messages: parts.ranges.lazy.map { UnsafeBufferPointer(rebasing: bytes[$0]) }
            )
        }
        for range in parts.ranges {
            uploader.mailbox.appended(bytes: range.count + BatchLimits.eventOverhead)
        }
    }

    // MARK: Shipping

    /// Sends everything that is pending now, without waiting for full batches.
    ///
    /// - Parameter timeout: how long to wait for it. What is not sent by then stays in the spool and is sent later.
    /// - Returns: true if everything that was pending at the time of the call has left the spool.
    @discardableResult
    public func flush(timeout: Duration = .seconds(5)) async -> Bool {
        await uploader.flush(timeout: timeout)
    }

    /// Flushes, then stops shipping. What is logged later is still committed to the spool.
    ///
    /// - Parameter timeout: how long to wait for the flush; what is not sent by then stays in the spool. A request that
    ///   is under way at its end is broken off.
    public func shutdown(timeout: Duration = .seconds(5)) async {
        await flush(timeout: timeout)
        await uploader.stop()
    }

    /// Asks for a flush without waiting for it.
    func requestFlush() -> Promise<Bool> {
        uploader.requestFlush()
    }

    /// Stops shipping; blocks the calling thread until it has, or until a deadline in milliseconds of the monotonic clock.
    func stop(waitingUntil deadline: Int64) {
        uploader.stop(waitingUntil: deadline)
    }
}

extension Destination {
    /// With the stream's placeholders replaced.
    package func resolved(_ facts: () -> MachineFacts = MachineFacts.current) throws(ConfigurationError) -> Destination
    {
        let name = try StreamNameTemplate(logStream)
        return Destination(logGroup: logGroup, logStream: try name.resolve(facts))
    }
}

extension BatchLimits {
    init(_ configuration: LogShipper.Configuration) {
        self.init(
            count: configuration.batchCount,
            bytes: configuration.batchSize,
            age: configuration.bufferDuration.milliseconds
        )
    }
}

extension SpoolLimit {
    init(_ configuration: LogShipper.Configuration) {
        let whenFull: WhenFull =
            switch configuration.whenFull {
            case .dropOldest: .dropOldest
            case .dropNewest: .dropNewest
            case .block(let timeout): .block(timeout: timeout)
            }
        self.init(bytes: Int64(configuration.maxSpoolSize), whenFull: whenFull)
    }
}

extension UploadPlan.Pacing {
    init(_ configuration: LogShipper.Configuration) {
        self.init(
            inFlight: configuration.maximumInFlight,
            interval: configuration.putInterval.milliseconds,
            putsPerSecond: configuration.putsPerSecond
        )
    }
}

extension CloudWatchLogsService.Configuration {
    init(_ configuration: LogShipper.Configuration) {
        self.init()
        region = configuration.region
        endpointURL = configuration.endpointURL
        profile = configuration.profile
        compressesRequests = configuration.gzip
        connectTimeout = configuration.connectTimeout
        requestTimeout = configuration.requestTimeout
        creation = CreationSettings(configuration)
        report = { StandardError.write(line: "logbeam: \($0)") }
    }
}

extension CreationSettings {
    init(_ configuration: LogShipper.Configuration) {
        self.init()
        createsLogGroup = configuration.createsLogGroup
        createsLogStream = configuration.createsLogStream
        retentionDays = configuration.logGroup.retentionDays
        // Left out where it is the service's default.
        let logGroupClass = configuration.logGroup.logGroupClass
        self.logGroupClass = logGroupClass == .standard ? nil : logGroupClass.rawValue
        tags = configuration.logGroup.tags
        kmsKeyID = configuration.logGroup.kmsKeyID
    }
}
