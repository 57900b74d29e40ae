import Foundation
import LogbeamAWS
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamCloudWatch

@Suite("The way to the service")
struct ConnectionTests {
    private static let destination = Destination(logGroup: "g", logStream: "s")

    @Test("batch after batch goes over one connection")
    func reuse() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint(autoCreate: true)
            let service = CloudWatchLogsService(to: endpoint.url)
            for number in 0..<50 {
                #expect(service.send(EventBatch.now("\(number)", to: Self.destination)) == .accepted(.none))
            }
            #expect(endpoint.connectionCount == 1)
            #expect(endpoint.records.acceptedCount == 50)
        }
    }

    /// The region's own endpoint, with nothing between it and us but what a company puts there.
    @Test(
        "HTTPS by a proxy, with an authority of one's own, in one connection; botocore finds the signatures right",
        arguments: [["h2", "http/1.1"], ["http/1.1"]]
    )
    func proxied(protocols: [String]) async throws {
        try await onOwnThread {
            let host = "logs.eu-central-1.amazonaws.com"
            let authority = try CertificateAuthority()
            let key = AccessKey(identifier: "ASIAEXAMPLE", secret: "se/cr+et", sessionToken: "to/k+en=")
            let server = try TLSServer(authority.issue(for: "DNS:\(host)"), protocols: protocols, accessKey: key)
            let proxy = try ForwardProxy(credentials: "user:password", ports: ["\(host):443": server.port])
            let service = CloudWatchLogsService(
                .init(
                    environment: ProcessEnvironment(
                        key.environment.merging([
                            "AWS_REGION": "eu-central-1", "AWS_CA_BUNDLE": authority.file,
                            "HTTPS_PROXY": "http://user:password@127.0.0.1:\(proxy.port)",
                            "NO_PROXY": "169.254.169.254,.internal",
                        ]) { $1 }
                    )
                )
            )
            for number in 1...20 {
                // Some are long enough to be compressed.
                let batch = EventBatch.now(String(repeating: "record ", count: number * 20), to: Self.destination)
                #expect(service.send(batch) == .accepted(.none))
            }
            let requests = try server.requests(20)
            #expect(requests.count == 20)
            #expect(requests.allSatisfy { $0.signature == true && $0.connection == 1 && $0.host == host })
            #expect(requests.allSatisfy { $0.protocol == protocols[0] })
            #expect(proxy.connectionCount == 1 && proxy.heads.count == 1)
            for text in ["record ", "AWS4-HMAC-SHA256", "ASIAEXAMPLE", "to/k+en="] { #expect(!proxy.saw(text)) }
        }
    }

    @Test(
        "a proxy that does not let it through holds the records back, and says why",
        arguments: [
            (407, true, "user name and a password"), (403, true, "allow that host"), (502, false, "answered 502"),
        ]
    )
    func refused(status: Int, isDenied: Bool, told: String) async throws {
        try await onOwnThread {
            let proxy = try ForwardProxy(status: status)
            var environment = AccessKey.any.environment
            environment["AWS_REGION"] = "us-east-1"
            environment["HTTPS_PROXY"] = "127.0.0.1:\(proxy.port)"
            let service = CloudWatchLogsService(.init(environment: ProcessEnvironment(environment)))
            let outcome = service.send(EventBatch.now("x", to: Self.destination))
            let failure = outcome.failure ?? DeliveryFailure(code: "", message: "")
            #expect(outcome == (isDenied ? .denied(failure) : .transient(failure)))
            #expect(failure.code == (isDenied ? "ProxyError" : "ConnectionError"))
            #expect(failure.message.contains("http://127.0.0.1:\(proxy.port) (HTTPS_PROXY)"))
            #expect(failure.message.contains(told))
            #expect(!failure.mayHaveArrived)
        }
    }

    @Test(
        "whom to trust is looked for again after a failure: a ca_bundle that is written into the profile counts at once"
    )
    func lateAuthority() async throws {
        try await onOwnThread {
            let authority = try CertificateAuthority()
            let server = try TLSServer(authority.issue(for: "IP:127.0.0.1"))
            let directory = try TemporaryDirectory()
            let service = CloudWatchLogsService(
                .init(
                    environment: ProcessEnvironment(
                        AccessKey.any.environment.merging([
                            "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": server.url,
                            "AWS_CONFIG_FILE": directory.file("config"),
                            "AWS_SHARED_CREDENTIALS_FILE": directory.file("none"),
                        ]) { $1 }
                    )
                )
            )
            #expect(service.send(EventBatch.now("x", to: Self.destination)).failure?.code == "CertificateError")
            // Half of it, as somebody writes it: then nobody is trusted, not even whom the system trusts.
            try directory.write("[default]\nca_bundle", to: "config")
            let failure = service.send(EventBatch.now("x", to: Self.destination)).failure
            #expect(failure?.code == "RequestError")
            #expect(failure?.message.contains("\(directory.file("config")), line 2") == true)
            #expect(failure?.mayHaveArrived == false)
            try directory.write("[default]\nca_bundle = \(authority.file)\n", to: "config")
            for _ in 0..<2 { #expect(service.send(EventBatch.now("x", to: Self.destination)) == .accepted(.none)) }
            #expect(try Set(server.requests(2).map(\.connection)).count == 1)
        }
    }

    @Test("region and endpoint are looked for again until they are there")
    func lateRegion() async throws {
        try await onOwnThread {
            let endpoint = try LocalEndpoint(autoCreate: true)
            let directory = try TemporaryDirectory()
            let service = CloudWatchLogsService(
                .init(
                    environment: ProcessEnvironment(
                        AccessKey.any.environment.merging([
                            "AWS_CONFIG_FILE": directory.file("config"), "AWS_EC2_METADATA_DISABLED": "true",
                        ]) { $1 }
                    )
                )
            )
            #expect(service.send(EventBatch.now("x", to: Self.destination)).failure?.code == "NoRegion")
            try "[default]\nregion = us-east-1\nendpoint_url = \(endpoint.url)\n"
                .write(toFile: directory.file("config"), atomically: true, encoding: .utf8)
            #expect(service.send(EventBatch.now("x", to: Self.destination)) == .accepted(.none))
        }
    }
}
