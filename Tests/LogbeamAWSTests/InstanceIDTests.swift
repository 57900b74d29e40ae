import Foundation
import LogbeamAWS
import LogbeamTestSupport
import Testing

@Suite("Instance id")
struct InstanceIDTests {
    private let id = "i-0123456789abcdef0"

    private func environment(_ server: TinyServer, _ more: [String: String] = [:]) -> ProcessEnvironment {
        ProcessEnvironment(more.merging(["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url]) { $1 })
    }

    /// Answers as the metadata service, version 2: only to those who bring the token.
    private func metadata(_ id: String) throws -> TinyServer {
        try TinyServer { request, connection in
            let head = request.head.lowercased()
            if head.hasPrefix("put /latest/api/token "), head.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600") {
                connection.answer("200 OK", "TOKEN==")
            } else if head.hasPrefix("get /latest/meta-data/instance-id "),
                head.contains("x-aws-ec2-metadata-token: token==")
            {
                connection.answer("200 OK", id)
            } else {
                connection.answer("401 Unauthorized")
            }
        }
    }

    @Test("comes from the first file that holds one, without a request")
    func files() throws {
        let directory = try TemporaryDirectory()
        let server = try metadata("i-ffffffff")
        let paths = ["missing", "other", "right", "late"].map { directory.path + "/" + $0 }
        try "Not Specified\n".write(toFile: paths[1], atomically: true, encoding: .utf8)
        try "\(id)\n".write(toFile: paths[2], atomically: true, encoding: .utf8)
        try "i-eeeeeeee".write(toFile: paths[3], atomically: true, encoding: .utf8)
        #expect(try InstanceID.find(environment: environment(server), files: paths) == id)
        #expect(server.accepted == 0)
    }

    @Test("comes from the metadata service where no file holds one, by a token")
    func metadataService() throws {
        let server = try metadata(id)
        #expect(try InstanceID.find(environment: environment(server), files: []) == id)
        #expect(server.requests.map { String($0.head.prefix { $0 != " " }) } == ["PUT", "GET"])
        #expect(server.requests.first?.body == [])
    }

    @Test("is not asked for where the environment forbids it")
    func disabled() throws {
        let server = try metadata(id)
        let error = #expect(throws: InstanceIDError.self) {
            try InstanceID.find(environment: environment(server, ["AWS_EC2_METADATA_DISABLED": "TRUE"]), files: [])
        }
        #expect(error?.description.contains("AWS_EC2_METADATA_DISABLED") == true)
        #expect(server.accepted == 0)
    }

    @Test(
        "is an error with the remedy where the service does not tell",
        arguments: ["", "i-", "i-xyz", "<html>", "i-1 2"]
    )
    func noID(answer: String) throws {
        let server = try metadata(answer)
        let error = #expect(throws: InstanceIDError.self) {
            try InstanceID.find(environment: environment(server), files: [])
        }
        #expect(error?.description.contains("write the instance id out") == true)
    }

    @Test("is an error where the service refuses, or does not answer in time")
    func refused() throws {
        let refusing = try TinyServer { _, connection in connection.answer("403 Forbidden") }
        let error = #expect(throws: InstanceIDError.self) {
            try InstanceID.find(environment: environment(refusing), files: [])
        }
        #expect(error?.description.contains("it answers 403") == true)
        let silent = try TinyServer { _, connection in connection.waitForClient() }
        #expect(throws: InstanceIDError.self) {
            try InstanceID.find(environment: environment(silent), files: [])
        }
        // For a token, and then as version 1 has it.
        #expect(silent.requests.count == 2)
    }
}
