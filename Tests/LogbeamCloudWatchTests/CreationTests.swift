import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamCloudWatch

@Suite("Creating a log group on a server")
struct CreationTests {
    private let destination = Destination(logGroup: "/my/group", logStream: "stream")

    private func settings(_ configuration: inout CloudWatchLogsService.Configuration) {
        configuration.creation.retentionDays = 14
        configuration.creation.logGroupClass = "INFREQUENT_ACCESS"
        configuration.creation.tags = ["team": "péople + co", "empty": ""]
        configuration.creation.kmsKeyID = "arn:aws:kms:us-east-1:123456789012:key/1"
    }

    @Test("the group has its retention, class, tags and key")
    func settings() async throws {
        let endpoint = try LocalEndpoint()
        let service = CloudWatchLogsService(to: endpoint.url, settings)
        let destination = destination
        #expect(try await onOwnThread { service.create(destination) } == .accepted(.none))
        let group = try #require(endpoint.records.groups["/my/group"])
        #expect(group.retentionDays == 14)
        #expect(group.logGroupClass == "INFREQUENT_ACCESS")
        #expect(group.tags == ["team": "péople + co", "empty": ""])
        #expect(group.kmsKeyID == "arn:aws:kms:us-east-1:123456789012:key/1")
        #expect(endpoint.records.destinations == [destination])
        let refusals = endpoint.records.refusals.map(\.errorType)
        #expect(refusals == ["ResourceNotFoundException"], "of the first CreateLogStream alone")
    }

    @Test("a batch is delivered though the retention is not set, and sets it")
    func lateRetention() async throws {
        let endpoint = try LocalEndpoint()
        let service = CloudWatchLogsService(to: endpoint.url, settings)
        endpoint.enqueue(.status(400, errorType: "OperationAbortedException"), for: .putRetentionPolicy)
        let destination = destination
        #expect(try await onOwnThread { service.create(destination) } == .accepted(.none))
        #expect(endpoint.records.groups["/my/group"]?.retentionDays == nil)
        #expect(try await onOwnThread { service.send(.now("message", to: destination)) } == .accepted(.none))
        #expect(endpoint.messages(in: destination) == ["message"])
        #expect(endpoint.records.groups["/my/group"]?.retentionDays == 14)
    }

    @Test("an outage uses up no attempt to set the retention")
    func retentionAfterOutage() async throws {
        let endpoint = try LocalEndpoint()
        let service = CloudWatchLogsService(to: endpoint.url, settings)
        endpoint.enqueue(.status(503, errorType: "ServiceUnavailableException"), for: .putRetentionPolicy)
        let destination = destination
        #expect(try await onOwnThread { service.create(destination) } == .accepted(.none))
        for _ in 0..<6 {
            endpoint.enqueue(.status(503, errorType: "ServiceUnavailableException"), for: .putLogEvents)
            let outcome = try await onOwnThread { service.send(.now("message", to: destination)) }
            #expect(outcome.failure?.code == "ServiceUnavailableException")
            #expect(endpoint.records.groups["/my/group"]?.retentionDays == nil, "it is not even tried")
        }
        #expect(try await onOwnThread { service.send(.now("message", to: destination)) } == .accepted(.none))
        #expect(endpoint.records.groups["/my/group"]?.retentionDays == 14)
    }

    @Test("boto3 reads retention, key and tags back from moto")
    func moto() async throws {
        let destination = destination
        let (outcome, group) = try await onOwnThread {
            let moto = try MotoServer()
            let service = CloudWatchLogsService(to: moto.url, as: moto.accessKey, settings)
            return (
                service.create(destination), try Boto3.describe(logGroup: destination.logGroup, from: moto.url)
            )
        }
        #expect(outcome == .accepted(.none))
        #expect(
            group
                == Boto3.LogGroup(
                    retentionInDays: 14,
                    kmsKeyId: "arn:aws:kms:us-east-1:123456789012:key/1",
                    tags: ["team": "péople + co", "empty": ""]
                )
        )
    }
}
