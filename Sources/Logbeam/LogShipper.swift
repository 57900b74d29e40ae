internal import LogbeamAWS
internal import LogbeamCloudWatch
package import LogbeamCore
internal import LogbeamSpool

/// Commits records to a spool on disk, and ships what stands there to CloudWatch Logs.
///
/// One shipper serves any number of loggers, and any number of log streams through
/// ``CloudWatchLogsHandler/init(label:shipper:logGroupName:logStreamName:metadataProvider:)``. Thread-safe.
///
/// - A record is a committed row when `log()` returns: it survives SIGKILL at any instruction, and with
///   ``Configuration/Durability/powerLoss`` a power failure. With ``Configuration/usesJournal`` it stands in a file
///   beside the spool first, and survives SIGKILL there too.
/// - A row leaves the spool only when CloudWatch Logs has acknowledged it. What the service will never take goes to the
///   table `rejected`, with the reason.
/// - What is not shipped when the process ends is shipped by the next process that opens the spool, or by
///   `logbeam-spool drain`.
/// - Standard error is told once what keeps records from being delivered, and once that it is over.
/// - Where the file is deleted, replaced or damaged while the process runs, logging goes on in a new one: see
///   <doc:Survival>. A process made by `fork()` may go on logging.
/// - Any number of processes may share a spool; one of them uploads at a time, and when it ends or hangs another does.
/// - A shipper that nobody has any more, no handler and no logger either, is at its end: without holding anybody up it sends
///   what is pending, for ``Configuration/exitFlushTimeout`` at most, and stops. See <doc:Ending>.
public final class LogShipper: Sendable {
    /// How this shipper was made.
    public let configuration: Configuration

    private let processes: ShippingProcesses
    /// The stream that the configuration names.
    let ownStream: LiveStream
    private let facts: @Sendable () -> MachineFacts
    private let maximumMessageSize: Int

    /// Opens the spool, makes it if it is missing, and starts to ship. Needs no network, but for `{instance_id}` in the
    /// name of the stream. Blocks while another process has the file locked, for ten seconds at most, and while the journals
    /// of dead processes are moved into it.
    ///
    /// - Throws: ``ConfigurationError`` if a setting is out of bounds, what the name of the stream asks for is not to be
    ///   found, or this process uploads from the spool in another way (``Configuration/spool``); an error that names the
    ///   file, the cause and the remedy if the spool can not be opened.
    public convenience init(_ configuration: Configuration) throws {
        try configuration.validate()
        // A process made by `fork()` needs connections of its own.
        try self.init(configuration) { context in
            guard configuration.uploads else { return nil }
            return if let client = configuration.logsClient {
                ClientDeliveryService(client, creation: CreationSettings(configuration), context: context)
            } else {
                CloudWatchLogsService(CloudWatchLogsService.Configuration(configuration))
            }
        }
    }

    package convenience init(
        _ configuration: Configuration,
        service: any DeliveryService,
        facts: @escaping @Sendable () -> MachineFacts = MachineFacts.current
    ) throws {
        try self.init(configuration, facts: facts) { _ in configuration.uploads ? service : nil }
    }

    /// - Parameters:
    ///   - facts: asked only if the name of a stream has placeholders.
    ///   - makeService: called once in each process that uses the shipper; `nil` for one that does not upload.
    private init(
        _ configuration: Configuration,
        facts: @escaping @Sendable () -> MachineFacts = MachineFacts.current,
        makeService: @escaping @Sendable (UploadContext) -> (any DeliveryService)?
    ) throws {
        self.configuration = configuration
        self.facts = facts
        let destination = Destination(logGroup: configuration.logGroupName, logStream: configuration.logStreamName)
        let resolved = try destination.resolved(facts)
        maximumMessageSize = configuration.effectiveMaximumMessageSize
        FileSizeSignal.ignoreByDefault()
        // Before the process goes to another directory, and forks.
        let path = configuration.absoluteSpool
        processes = try ShippingProcesses {
            try ShippingProcess(configuration, spool: path) { context in
                let service = makeService(context)
                if service != nil { try UploadedSpools.add(configuration, context) }
                return service
            }
        }
        do {
            ownStream = try processes.current().stream(destination) { resolved }
        } catch {
            // There is no object whose end would stop the threads.
            processes.ours?.stop(waitingUntil: 0)
            throw error
        }
        ExitFlush.register(self)
    }

    deinit {
        guard let process = processes.ours else { return }
        ExitFlush.end(process, within: configuration.uploads ? configuration.exitFlushTimeout : .zero)
    }

    // MARK: Logging

    /// A log stream; of the shipper's log group where none is given. Placeholders are replaced once: the same name stands for
    /// the same stream as long as the shipper lives, and anew in a process made by `fork()`.
    func stream(logGroupName: String?, logStreamName: String) throws -> LiveStream {
        var named = configuration
        named.logGroupName = logGroupName ?? configuration.logGroupName
        named.logStreamName = logStreamName
        let destination = Destination(logGroup: named.logGroupName, logStream: named.logStreamName)
        return try processes.current().stream(destination) {
            try named.validate()
            return try destination.resolved(facts)
        }
    }

    /// Commits a record. Never throws: a record that the spool does not take goes to standard error and is counted.
    ///
    /// - Parameters:
    ///   - timestamp: milliseconds since 1970-01-01T00:00:00Z.
    ///   - isSynced: waits for the disk too. A record that it fails to sync stays in the spool, and goes to standard error.
    func append(stream: LiveStream, timestamp: Int64, message: String, isSynced: Bool) {
        let process: ShippingProcess
        do {
            process = try processes.current()
        } catch {
            return tell("not spooled (\(error))", message)
        }
        do {
            let failure = try append(
                stream: stream,
                timestamp: timestamp,
                message: message,
                isSynced: isSynced,
                in: process
            )
            process.noteLosses()
            if let failure { tell("not synced (\(failure))", message) }
        } catch {
            if process.losses.count(stream: stream, because: error as? SpoolError, at: timestamp) {
                StandardError.write(line: "logbeam: records that are not spooled follow: \(error)")
            }
            tell("not spooled", message)
        }
    }

    /// Commits a record to the spool, or to the journal before it.
    ///
    /// - Returns: why the disk may lack it, where that was waited for.
    private func append(
        stream: LiveStream,
        timestamp: Int64,
        message: String,
        isSynced: Bool,
        in process: ShippingProcess
    ) throws -> SpoolError? {
        let upload = uploadOfCaller(in: process)
        if upload == nil, configuration.oversize == .split, message.utf8.count > maximumMessageSize {
            return try appendParts(of: message, stream: stream, timestamp: timestamp, isSynced: isSynced, in: process)
        }
        var message = message.truncated(toUTF8Count: maximumMessageSize)
        let spool = process.spool
        return try message.withUTF8 { message in
            if let upload {
                return try upload.appendQuietly {
                    // The uploader must not wait for itself.
                    try spool.append(
                        to: stream,
                        timestamp: timestamp,
                        message: message,
                        mayBlock: false,
                        isSynced: isSynced
                    )
                }
            }
            // What the journal has taken is told of when it is moved.
            if try process.stage(stream, timestamp: timestamp, message: message, isSynced: isSynced) { return nil }
            let appended = try spool.append(to: stream, timestamp: timestamp, message: message, isSynced: isSynced)
            process.uploader.mailbox.appended(bytes: message.count + BatchLimits.eventOverhead)
            return appended.syncFailure
        }
    }

    /// Where the caller is code that an upload has called: the mailbox of the uploader that must not be woken by what that
    /// logs. By whichever shipper of the process it is logged, it would lead back there: to the same spool, or to a client
    /// which may log as well.
    private func uploadOfCaller(in process: ShippingProcess) -> Mailbox? {
        guard let upload = UploadContext.ofCaller else { return nil }
        if upload.spool == process.spool.path { return upload.mailbox }
        return configuration.logsClient == nil ? nil : process.uploader.mailbox
    }

    /// Writes a record to standard error, as the spool would have taken it.
    private func tell(_ what: String, _ message: String) {
        let shown = configuration.oversize == .split ? message : message.truncated(toUTF8Count: maximumMessageSize)
        StandardError.write(line: "logbeam: \(what): \(shown)")
    }

    /// Commits all parts of a message that is too long, or none. Returns as ``append(stream:timestamp:message:isSynced:in:)``.
    private func appendParts(
        of message: String,
        stream: LiveStream,
        timestamp: Int64,
        isSynced: Bool,
        in process: ShippingProcess
    ) throws(SpoolError) -> SpoolError? {
        process.moveJournal()
        let parts = MessageParts(message, limit: maximumMessageSize, id: UInt64.random(in: .min ... .max))
        let failure = try parts.bytes.withUnsafeBufferPointer { bytes throws(SpoolError) in
            try process.spool.append(
                parts.ranges.map { range in
                    LiveRecord(
                        stream: stream,
                        timestamp: timestamp,
                        message: UnsafeBufferPointer(rebasing: bytes[range])
                    )
                },
                isSynced: isSynced
            )
        }
        for range in parts.ranges {
            process.uploader.mailbox.appended(bytes: range.count + BatchLimits.eventOverhead)
        }
        return failure
    }

    // MARK: Shipping

    /// Sends everything that is pending now, without waiting for full batches. Where another process uploads, that is
    /// asked to.
    ///
    /// - Parameter timeout: how long to wait for it. What is not sent by then stays in the spool and is sent later. With a
    ///   journal, what stands there is moved first; where another process has the spool locked, that takes a few times the
    ///   ``Configuration/commitTimeout`` on top.
    /// - Returns: true if everything that was pending at the time of the call has left the spool. False at once, and not
    ///   after the timeout, where waiting would not help: this process uploads, and the service denies what it sends until a
    ///   person mends that; the task was cancelled; or ``shutdown(timeout:)`` has been called. What another process is
    ///   denied that uploads is not known here, and is waited for.
    @discardableResult
    public func flush(timeout: Duration = .seconds(5)) async -> Bool {
        guard let process = try? processes.current() else { return false }
        let isMoved = await process.moveJournalAwayFromPool()
        return await process.uploader.flush(timeout: timeout) && isMoved
    }

    /// Flushes, then stops shipping, also in a task that was cancelled. What is logged later is still committed to the spool.
    /// Does not flush where ``Configuration/uploads`` is off.
    ///
    /// - Parameter timeout: how long to wait for the flush; what is not sent by then stays in the spool. A request that
    ///   is under way at its end is broken off. What may come on top is a second in which answers are awaited, and where
    ///   another process has the spool locked, a few times the ``Configuration/commitTimeout``.
    /// - Returns: as ``flush(timeout:)``; false too where ``Configuration/uploads`` is off. Where records remain though it was
    ///   tried to send them, standard error says so.
    @discardableResult
    public func shutdown(timeout: Duration = .seconds(5)) async -> Bool {
        // A child of the process that logged has nothing to stop.
        guard let process = processes.ours else { return false }
        await process.closeJournalAwayFromPool()
        var isSent = false
        if configuration.uploads, !process.uploader.mailbox.isStopped {
            // Its own task: the caller's is often cancelled by then, and the last records are those that matter.
            isSent = await Task { await process.uploader.flush(timeout: timeout) }.value
            if !isSent { process.tellOfRemainder() }
        }
        await process.uploader.stop()
        return isSent
    }

    /// How the records in the spool stand, of all streams and whoever logs into them: for metrics, and for who asks whether a
    /// service is well.
    ///
    /// Takes time that grows with what is pending, about half a second for a million records, on a thread of its own; calls at
    /// the same time share the answer. With a journal, what stands there is moved first.
    ///
    /// - Throws: an error that names the file, the cause and the remedy if the spool can not be read.
    public func status() async throws -> Status {
        let process = try processes.current()
        _ = await process.moveJournalAwayFromPool()
        return Status(try await process.statusAwayFromPool(), isUploading: process.uploader.report.holdsLease == true)
    }

    /// Asks for a flush without waiting for it; `nil` if nothing was ever logged in this process, or it does not upload, or not
    /// any more.
    func requestFlush() -> Promise<Bool>? {
        guard let process = processes.ours else { return nil }
        process.moveJournal(ignoresPause: true)
        return configuration.uploads && !process.uploader.mailbox.isStopped ? process.uploader.requestFlush() : nil
    }

    func tellOfRemainder() { processes.ours?.tellOfRemainder() }

    /// Stops shipping; blocks the calling thread until it has, or until a deadline in milliseconds of the monotonic clock.
    func stop(waitingUntil deadline: Int64) {
        guard let process = processes.ours else { return }
        process.stop(waitingUntil: deadline)
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
