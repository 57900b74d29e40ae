/// An error of the CloudWatch Logs API. The messages are those of AWS where they are known.
struct LogsError: Error {
    var status: Int
    var type: String
    var message: String

    init(_ type: String, _ message: String, status: Int = 400) {
        self.status = status
        self.type = type
        self.message = message
    }

    static func invalidParameter(_ message: String) -> LogsError {
        LogsError("InvalidParameterException", message)
    }

    /// How AWS words a breach of the service model.
    static func constraint(_ member: String, _ constraint: String) -> LogsError {
        invalidParameter(
            "1 validation error detected: Value at '\(member)' failed to satisfy constraint: Member must \(constraint)"
        )
    }

    static func denied(_ operation: LogsOperation, region: String) -> LogsError {
        LogsError(
            "AccessDeniedException",
            """
            User: \(LogsAccount.arn("iam", region: "", "user/logbeam")) is not authorized to perform: \
            logs:\(operation.rawValue) on resource: \(LogsAccount.arn("logs", region: region, "log-group:*")) because \
            no identity-based policy allows the logs:\(operation.rawValue) action
            """
        )
    }
}
