import LogbeamAWS
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamCloudWatch

@Suite("An answer, of whatever status and content")
struct AnswerFuzzTests {
    private static let environment = ProcessEnvironment([
        "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET",
    ])
    private static let statuses = [
        200, 200, 200, 204, 299, 0, 100, 302, 400, 400, 400, 403, 404, 413, 429, 500, 503, 999, -1,
    ]
    private static let codes = [
        "ResourceNotFoundException", "DataAlreadyAcceptedException", "InvalidParameterException", "a\r\nb",
    ]

    @Test("acknowledges only what is one of CloudWatch Logs, and refuses no event that there is not")
    func mutated() throws {
        let tokens = [
            "{", "}", ":", "\"__type\"", "\"message\"", "\"tooNewLogEventStartIndex\"", "-1", "9223372036854775807",
        ]
        var fuzzer = try Fuzzer(
            corpus: "json",
            tokens: tokens + ["<Code>", "</Code>", "\r\n", "\u{1B}[31m"] + Self.codes
        )
        let batch = EventBatch.now("a", "b", "c", to: Destination(logGroup: "group", logStream: "stream"))
        try fuzzer.run(rounds: 1_500) { input, random in
            let status = Self.statuses.randomElement(using: &random) ?? 200
            let body = String(decoding: input, as: UTF8.self)
            var headers: [HTTPHeader] = []
            if let code = Self.codes.randomElement(using: &random), Int.random(in: 0..<3, using: &random) == 0 {
                headers.append(HTTPHeader("x-amzn-ErrorType", code))
            }
            let transport = ScriptedTransport { [headers] _ in .answer(status, body, headers) }
            var configuration = CloudWatchLogsService.Configuration(environment: Self.environment)
            configuration.compressesRequests = false
            let outcome = CloudWatchLogsService(configuration, transport: transport, now: { 1_440_938_160 }).send(batch)
            // A second request at the most: with fresh credentials.
            #expect((1...2).contains(transport.requests.count))
            switch outcome {
            case .accepted(let refused):
                if (200..<300).contains(status) {
                    #expect(JSONValue(Array(body.utf8))?.isObject == true, "\(status) \(body)")
                } else {
                    #expect((400..<500).contains(status) && (body + "\(headers)").contains("DataAlreadyAccepted"))
                }
                for index in [refused.tooOldEnd, refused.expiredEnd, refused.tooNewStart].compactMap({ $0 }) {
                    #expect((0...batch.count).contains(index))
                }
                return "accepted \(refused)"
            case .transient(let failure), .destinationMissing(let failure), .denied(let failure), .invalid(let failure):
                #expect(failure.description.count < 1_000)
                #expect(failure.description.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
                #expect(failure.mayHaveArrived || (400..<500).contains(status))
                return "\(outcome)".prefix(30) + failure.code
            }
        }
    }
}
