/// What logbeam needs of CloudWatch Logs. Implement it to send by an SDK of your own, or to watch what is sent in tests.
///
/// The names are those of the Amazon CloudWatch Logs API Reference. As many
/// calls come at once as ``LogShipper/Configuration/maximumInFlight`` allows. A call must come to an end by itself: while it
/// does not, its batch stays on its way. When the shipper stops, the call's task is cancelled and not waited for; its batch is
/// sent again by whoever uploads next. To say what the service answered, throw ``CloudWatchLogsError``:
///
/// | its ``CloudWatchLogsError/code`` | the batch |
/// |---|---|
/// | `ResourceNotFoundException` | is sent again after its log group and stream were created |
/// | `InvalidParameterException`, `ValidationException`; or status 413 | is split until the events that are not taken stand alone |
/// | `DataAlreadyAcceptedException` | is delivered |
/// | `ThrottlingException`, `ServiceUnavailableException`, and what AWS's own clients repeat | is sent again, after a wait |
/// | any other | waits, and is tried again slowly: it takes a person to mend that |
///
/// Any other error than that counts as transient, and the batch is sent again.
///
/// ```swift
/// struct SDKClient: CloudWatchLogsClient {
///     let sdk: SomeSDK
///
///     func putLogEvents(_ request: PutLogEventsRequest) async throws -> PutLogEventsResponse {
///         do {
///             try await sdk.put(
///                 group: request.logGroupName,
///                 stream: request.logStreamName,
///                 events: request.logEvents.map { ($0.timestamp, $0.message) }
///             )
///             return PutLogEventsResponse()
///         } catch let error as SomeSDK.ServiceError {
///             throw CloudWatchLogsError(code: error.code, message: error.message, statusCode: error.status)
///         }
///     }
///     // createLogGroup and createLogStream likewise
/// }
/// ```
///
/// A client may log, also through a logger that ships by logbeam: what the task of the call, and the tasks that it begins, log
/// until the call is over causes no upload, and goes along with the next. What it logs elsewhere or later, on threads of its
/// own, in detached tasks, or in those that outlive the call, is a record like any other: where each upload leads to such a
/// record, let that go to a logger which does not ship by the same client, or each upload causes another.
public protocol CloudWatchLogsClient: Sendable {
    /// Sends a batch. Returning means that the service has it, but for what the response refuses; its records are then
    /// deleted from the spool.
    func putLogEvents(_ request: PutLogEventsRequest) async throws -> PutLogEventsResponse

    /// Makes a log group. `ResourceAlreadyExistsException`, thrown as ``CloudWatchLogsError``, counts as success.
    func createLogGroup(_ request: CreateLogGroupRequest) async throws

    /// Sets how long a log group, which ``createLogGroup(_:)`` has just made, keeps its events. Called only where
    /// ``LogGroupSettings/retentionDays`` is set. Without an implementation of your own it fails, which holds up
    /// nothing: a line on standard error says that the retention was not set.
    func putRetentionPolicy(_ request: PutRetentionPolicyRequest) async throws

    /// Makes a log stream in a group. `ResourceAlreadyExistsException`, thrown as ``CloudWatchLogsError``, counts as
    /// success.
    func createLogStream(_ request: CreateLogStreamRequest) async throws
}

extension CloudWatchLogsClient {
    /// Throws.
    public func putRetentionPolicy(_ request: PutRetentionPolicyRequest) async throws {
        throw CloudWatchLogsError(code: "NotImplemented", message: "logsClient has no putRetentionPolicy")
    }
}

/// A batch: at most 10,000 events and 1,048,576 bytes, in ascending order of time, within 24 hours.
public struct PutLogEventsRequest: Sendable, Equatable {
    /// The log group to send to.
    public var logGroupName: String
    /// The log stream in the group.
    public var logStreamName: String
    /// The events; never empty.
    public var logEvents: [InputLogEvent]

    /// Creates a request.
    public init(logGroupName: String, logStreamName: String, logEvents: [InputLogEvent]) {
        self.logGroupName = logGroupName
        self.logStreamName = logStreamName
        self.logEvents = logEvents
    }
}

/// One event of a batch.
public struct InputLogEvent: Sendable, Equatable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var timestamp: Int64
    /// The rendered record; never empty.
    public var message: String

    /// Creates an event.
    public init(timestamp: Int64, message: String) {
        self.timestamp = timestamp
        self.message = message
    }
}

/// What the service says of a batch that it has.
public struct PutLogEventsResponse: Sendable, Equatable {
    /// The events that it refused all the same; `nil` if it took every one.
    public var rejectedLogEventsInfo: RejectedLogEventsInfo?

    /// Creates a response; without arguments, that of a batch that was taken whole.
    public init(rejectedLogEventsInfo: RejectedLogEventsInfo? = nil) {
        self.rejectedLogEventsInfo = rejectedLogEventsInfo
    }
}

/// The events of a batch that the service refused for their time. Indices count the events of the request from zero.
public struct RejectedLogEventsInfo: Sendable, Equatable {
    /// Events from this index on are too far in the future.
    public var tooNewLogEventStartIndex: Int?
    /// Events before this index are too old.
    public var tooOldLogEventEndIndex: Int?
    /// Events before this index are older than the retention of the log group.
    public var expiredLogEventEndIndex: Int?

    /// Creates the three indices; `nil` where no event was refused for that reason.
    public init(
        tooNewLogEventStartIndex: Int? = nil,
        tooOldLogEventEndIndex: Int? = nil,
        expiredLogEventEndIndex: Int? = nil
    ) {
        self.tooNewLogEventStartIndex = tooNewLogEventStartIndex
        self.tooOldLogEventEndIndex = tooOldLogEventEndIndex
        self.expiredLogEventEndIndex = expiredLogEventEndIndex
    }
}

/// The log group to make.
public struct CreateLogGroupRequest: Sendable, Equatable {
    /// The name of the group.
    public var logGroupName: String
    /// The ARN of the key to encrypt it with; `nil` for the service's default.
    public var kmsKeyId: String?
    /// The group's tags. The service takes no empty dictionary: leave it out then.
    public var tags: [String: String]
    /// The group's class.
    public var logGroupClass: LogGroupClass

    /// Creates a request.
    public init(
        logGroupName: String,
        kmsKeyId: String? = nil,
        tags: [String: String] = [:],
        logGroupClass: LogGroupClass = .standard
    ) {
        self.logGroupName = logGroupName
        self.kmsKeyId = kmsKeyId
        self.tags = tags
        self.logGroupClass = logGroupClass
    }
}

/// How long a log group keeps its events.
public struct PutRetentionPolicyRequest: Sendable, Equatable {
    /// The group, which exists.
    public var logGroupName: String
    /// One of ``LogGroupSettings/allowedRetentionDays``.
    public var retentionInDays: Int

    /// Creates a request.
    public init(logGroupName: String, retentionInDays: Int) {
        self.logGroupName = logGroupName
        self.retentionInDays = retentionInDays
    }
}

/// The log stream to make.
public struct CreateLogStreamRequest: Sendable, Equatable {
    /// The group, which exists.
    public var logGroupName: String
    /// The name of the stream.
    public var logStreamName: String

    /// Creates a request.
    public init(logGroupName: String, logStreamName: String) {
        self.logGroupName = logGroupName
        self.logStreamName = logStreamName
    }
}

/// An error that CloudWatch Logs answered with, for a ``CloudWatchLogsClient`` to throw.
public struct CloudWatchLogsError: Error, Sendable, Equatable {
    /// The service's name of the error, such as `ThrottlingException`, without prefix and suffix.
    public var code: String
    /// The service's words. They are kept in the spool and shown by `logbeam-spool status`: no secrets.
    public var message: String
    /// The status of the HTTP answer, which goes before the code: with 500 and above, 429, 408, or less than 400, every error
    /// is transient. `nil` counts as 400: the code alone decides.
    public var statusCode: Int?
    /// How long the service asked to wait (`Retry-After`); more than 5 minutes count as 5 minutes.
    public var retryAfter: Duration?

    /// Creates an error.
    public init(code: String, message: String, statusCode: Int? = nil, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.statusCode = statusCode
        self.retryAfter = retryAfter
    }
}
