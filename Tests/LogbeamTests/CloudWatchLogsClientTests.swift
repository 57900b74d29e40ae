import Logbeam
import Testing

@Suite struct CloudWatchLogsClientTests {
    /// What a user writes: no import but the library, no initializer but the public ones.
    private struct TooOldForTheService: CloudWatchLogsClient {
        func putLogEvents(_ request: PutLogEventsRequest) async throws -> PutLogEventsResponse {
            let tooOld = request.logEvents.prefix { $0.timestamp < 1_000 }.count
            return PutLogEventsResponse(
                rejectedLogEventsInfo: tooOld > 0 ? RejectedLogEventsInfo(tooOldLogEventEndIndex: tooOld) : nil
            )
        }

        func createLogGroup(_ request: CreateLogGroupRequest) async throws {}

        func createLogStream(_ request: CreateLogStreamRequest) async throws {
            throw CloudWatchLogsError(
                code: "ResourceAlreadyExistsException",
                message: request.logStreamName,
                statusCode: 400
            )
        }
    }

    @Test func `A client of the user's own is reached through the configuration`() async throws {
        let configuration = LogShipper.Configuration(
            logGroupName: "g",
            logStreamName: "s",
            logsClient: TooOldForTheService()
        )
        let client = try #require(configuration.logsClient)
        var request = PutLogEventsRequest(
            logGroupName: "g",
            logStreamName: "s",
            logEvents: [InputLogEvent(timestamp: 999, message: "a"), InputLogEvent(timestamp: 1_000, message: "b")]
        )
        let refused = RejectedLogEventsInfo(
            tooNewLogEventStartIndex: nil,
            tooOldLogEventEndIndex: 1,
            expiredLogEventEndIndex: nil
        )
        #expect(try await client.putLogEvents(request) == PutLogEventsResponse(rejectedLogEventsInfo: refused))
        request.logEvents.removeFirst()
        #expect(try await client.putLogEvents(request) == PutLogEventsResponse())
        try await client.createLogGroup(CreateLogGroupRequest(logGroupName: "g"))
        await #expect(
            throws: CloudWatchLogsError(code: "ResourceAlreadyExistsException", message: "s", statusCode: 400)
        ) {
            try await client.createLogStream(CreateLogStreamRequest(logGroupName: "g", logStreamName: "s"))
        }
    }
}
