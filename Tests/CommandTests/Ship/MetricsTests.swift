import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

@Suite("ship --metrics-port", .onOwnThreads)
struct MetricsTests {
    private let endpoint: LocalEndpoint
    private let command: Command

    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true)
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
    }

    @Test("Numbers of all spools, as they are now, for a client that knows no more than the protocol")
    func scrape() throws {
        try command.fill(["a", "bc"])
        let other = command.directory.file("other.db")
        let process = try command.start([
            "ship", "--buffer-duration", "0.02", "--metrics-port", "0", "--spool", command.spoolPath, "--spool", other,
        ])
        process.closeInput()
        #expect(endpoint.wait { $0.acceptedCount == 2 })
        let told = try process.waitForOutput(.standardError) { $0.contains("/metrics\n") }
        let port = try #require(told.firstMatch(of: /metrics at http:\/\/127\.0\.0\.1:(\d+)\/metrics/)?.1)
        var page = ""
        #expect(
            try eventually {
                page = try scrape(String(port))
                return [
                    "pending_records{spool=\"\(command.spoolPath)\"} 0\n",
                    "uploads_total{spool=\"\(command.spoolPath)\"} 1\n",
                ]
                .allSatisfy(page.contains)
            }
        )
        #expect(page.hasPrefix("HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
        for (name, value) in [
            ("readable", "1"), ("lease_held", "1"), ("pending_bytes", "0"), ("delivered_records_total", "2"),
            ("uploads_total", "1"), ("upload_errors_total", "0"), ("oldest_pending_age_seconds", "0"),
            ("in_doubt_batches", "0"), ("rejected_records", "0"), ("dropped_records", "0"),
        ] {
            #expect(page.contains("\nlogbeam_\(name){spool=\"\(command.spoolPath)\"} \(value)\n"), "\(name): \(page)")
            #expect(page.contains("\n# TYPE logbeam_\(name) ") || page.contains("# TYPE logbeam_\(name) "))
        }
        #expect(page.contains("\nlogbeam_readable{spool=\"\(other)\"} 0\n"))
        #expect(!page.contains("logbeam_pending_records{spool=\"\(other)\"}"))
        #expect(page.contains(/\nlogbeam_last_success_timestamp_seconds\{[^}]*\} \d{10}\.?\d*\n/))
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
    }

    /// The whole answer, with its head.
    private func scrape(_ port: String) throws -> String {
        try command.runShell(
            "exec 3<>/dev/tcp/127.0.0.1/\(port); printf 'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; cat <&3"
        ).output
    }

    @Test("A client that asks nothing keeps others waiting for a moment only")
    func silentClient() throws {
        try command.fill([])
        let process = try command.start(["ship", "--metrics-port", "0"])
        process.closeInput()
        let told = try process.waitForOutput(.standardError) { $0.contains("/metrics\n") }
        let port = String(try #require(told.firstMatch(of: /:(\d+)\/metrics/)?.1))
        let silent = try command.startShell("exec 3<>/dev/tcp/127.0.0.1/\(port); echo connected; read line")
        try silent.waitForOutput { $0.contains("connected") }
        #expect(try scrape(port).contains("logbeam_readable"))
    }

    @Test("A port that is taken: 74")
    func taken() throws {
        try command.fill([])
        let port = try #require(endpoint.url.split(separator: ":").last)
        let ended = try command.run(["ship", "--metrics-port", String(port)])
        #expect(ended.code == 74 && ended.error.contains("can not answer on port \(port) of 127.0.0.1: "))
    }

    @Test(
        "What is asked, and what is answered",
        arguments: [
            ("GET /metrics HTTP/1.0\r\n\r\n", "200 OK"), ("GET /metrics?x=y HTTP/1.1\n\n", "200 OK"),
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"), ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"), ("\u{16}\u{3}\u{1}", "400 Bad Request"),
        ]
    )
    func answers(request: String, status: String) {
        let answer = MetricsServer.answer(to: Array(request.utf8)) { "page" }
        #expect(answer.hasPrefix("HTTP/1.0 \(status)\r\n"))
        #expect(answer.hasSuffix("\r\n\r\npage") == (status == "200 OK"))
    }

    @Test("A path can not break out of its label")
    func label() {
        let sample = MetricsText.Sample(path: "/a\"} 1\n\\b", status: nil, report: nil)
        #expect(MetricsText.page([sample], at: 0).contains("\nlogbeam_readable{spool=\"/a\\\"} 1\\n\\\\b\"} 0\n"))
    }
}
