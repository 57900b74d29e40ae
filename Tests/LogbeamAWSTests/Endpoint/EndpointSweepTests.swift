import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Endpoints, judged by botocore's rules")
struct EndpointSweepTests {
    private static let services = [
        "logs": AWSService(endpointPrefix: "logs", environmentID: "CLOUDWATCH_LOGS"),
        "sts": AWSService(endpointPrefix: "sts", environmentID: "STS"),
    ]

    @Test("every region of every partition has the host that botocore gives it, with FIPS and dual-stack on and off")
    func regions() async throws {
        let output = try await onOwnThread { try Python.run(LogbeamAWSTests.script("endpoints.py")) }
        let rows = String(decoding: output, as: UTF8.self).split(separator: "\n")
        #expect(rows.count >= 2 * 4 * 45)
        for row in rows {
            let fields = row.split(separator: " ").map(String.init)
            let service = try #require(Self.services[fields[0]])
            let choice = try EndpointChoice.resolve(
                service,
                given: .init(region: fields[1]),
                environment: ProcessEnvironment([
                    "AWS_USE_FIPS_ENDPOINT": fields[2], "AWS_USE_DUALSTACK_ENDPOINT": fields[3],
                ])
            )
            #expect(choice.endpoint.url == fields[5] + "/", "\(row)")
            #expect(AWSPartition.of(region: fields[1]).id == fields[4], "\(row)")
        }
    }
}
