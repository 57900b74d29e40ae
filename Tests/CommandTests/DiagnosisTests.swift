import Foundation
import LogbeamAWS
import LogbeamCloudWatch
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool
@testable import logbeam_spool

@Suite("What doctor makes of its findings")
struct DiagnosisTests {
    private static let destination = Destination(logGroup: "g", logStream: "s")
    private static let secret = "hidden-secret"

    private static func spool(_ change: (inout SpoolStatus, inout FileFacts) -> Void = { _, _ in }) -> Findings.Spool {
        var status = SpoolStatus(path: "/s.db", streams: [], delivered: 0)
        var files = FileFacts(mode: 0o600, isWritable: true, freeBytes: 1_200_000_000)
        change(&status, &files)
        return .found(status, files)
    }

    private static func stream(pending: Int) -> SpoolStatus.Stream {
        SpoolStatus.Stream(
            destination: destination,
            pending: pending,
            pendingBytes: 0,
            inDoubt: 0
        )
    }

    private static let found = CredentialsChain.Found(
        credentials: Credentials(
            accessKeyID: "AKIA1",
            secretAccessKey: secret,
            sessionToken: secret,
            expiration: 1_440_938_160
        ),
        source: "web identity",
        place: "the token in /token"
    )

    private static func choice(_ origin: String = "https://logs.r.amazonaws.com") -> EndpointChoice {
        EndpointChoice(
            endpoint: Endpoint(region: "r", origin: origin, host: "h", path: "/"),
            regionSource: "AWS_REGION"
        )
    }

    /// Where all is well.
    private static func findings(_ change: (inout Findings) -> Void = { _ in }) -> Findings {
        var findings = Findings(
            spool: spool(),
            credentials: .success(found),
            endpoint: .success(choice()),
            reach: .answered,
            clockOffset: 1,
            identity: .known(CallerIdentity(account: "123456789012", arn: "arn:aws:iam::123456789012:user/u")),
            streams: [.init(destination: destination, outcome: .accepted(.none))]
        )
        change(&findings)
        return findings
    }

    private static func failure(_ code: String) -> DeliveryFailure {
        DeliveryFailure(code: code, message: "why; what to do")
    }

    @Test("Where all is well there is a line for each check, and it ends with 0")
    func well() {
        let report = DoctorReport(Self.findings())
        #expect(report.diagnosis.status == .done)
        #expect(report.diagnosis.lines.map(\.check) == Diagnosis.checks)
        #expect(report.diagnosis.lines.allSatisfy { $0.verdict == .ok })
        #expect(
            report.page(on: .plain) == """
                ok  spool         /s.db: mode 600, 0 records pending, 1.2 GB free, nobody uploads
                ok  credentials   web identity (the token in /token): key AKIA1, good until 2015-08-30T12:36:00.000Z
                ok  region        r (AWS_REGION)
                ok  endpoint      https://logs.r.amazonaws.com/ (the region's own)
                ok  reachability  it answers
                ok  tls           1.2 or later, with a certificate that the system vouches for
                ok  clock         within 60 s of the service's
                ok  identity      arn:aws:iam::123456789012:user/u in account 123456789012
                ok  stream        g s: exists and may be written

                """
        )
        for text in [report.page(on: nil), report.json] { #expect(!text.contains(Self.secret)) }
    }

    private typealias Row = (check: String, verdict: Diagnosis.Verdict, told: String, change: (inout Findings) -> Void)

    private static var spools: [Row] {
        [
            ("spool", .warning, "does not exist yet", { $0.spool = .missing(path: "/s.db") }),
            (
                "spool", .failed(.unusableSpool), "the file is damaged",
                { $0.spool = .unusable(SpoolError(.damaged, path: "/s.db", message: "the file is damaged")) }
            ),
            ("spool", .warning, "mode 644, 0 rec", { $0.spool = spool { $1.mode = 0o644 } }),
            ("spool", .warning, "chmod 600 /s.db", { $0.spool = spool { $1.mode = 0o620 } }),
            ("spool", .warning, "can not write", { $0.spool = spool { $1.isWritable = false } }),
            ("spool", .warning, "make room", { $0.spool = spool { $1.freeBytes = 499_999_999 } }),
            ("spool", .ok, "500 MB free", { $0.spool = spool { $1.freeBytes = 500_000_000 } }),
            (
                "spool", .warning, "1 record pending",
                { $0.spool = spool { status, _ in status.streams = [stream(pending: 1)] } }
            ),
            (
                "spool", .ok, "process 7 on h uploads",
                {
                    $0.spool = spool { status, _ in
                        status.streams = [stream(pending: 1)]
                        status.uploader = .init(processID: 7, host: "h")
                    }
                }
            ),
        ]
    }

    private static var uploads: [Row] {
        func failing(_ change: @escaping (inout SpoolStatus) -> Void = { _ in }) -> (inout Findings) -> Void {
            {
                $0.spool = spool { status, _ in
                    var first = stream(pending: 1)
                    (first.lastError, first.lastErrorTime) = ("Denied: why", 1_440_938_160_000)
                    var last = stream(pending: 2)
                    last.destination.logStream = "t"
                    (last.lastError, last.lastErrorTime) = ("NoCredentials: why; what to do", 1_440_938_160_001)
                    status.streams = [first, last]
                    status.uploader = .init(processID: 7, host: "h")
                    change(&status)
                }
            }
        }
        let last = "the last upload failed at 2015-08-30T12:36:00.001Z"
        return [
            (
                "spool", .warning,
                "g t and 1 more log stream: \(last), process 7 on h uploads: NoCredentials: why; what to do", failing()
            ),
            (
                "spool", .warning, "g t: \(last), nobody uploads: NoCredentials",
                failing {
                    $0.streams.removeFirst()
                    $0.uploader = nil
                }
            ),
            // What has nothing to send suffers from nothing.
            (
                "spool", .warning,
                "g s: the last upload failed at 2015-08-30T12:36:00.000Z, process 7 on h uploads: Denied",
                failing { $0.streams[1].pending = 0 }
            ),
            (
                "spool", .ok, "2 records pending, 1.2 GB free, process 7 on h uploads",
                failing {
                    $0.streams[0].pending = 0
                    $0.streams[1].lastError = nil
                }
            ),
        ]
    }

    private static var access: [Row] {
        [
            ("credentials", .failed(.refused), "aws configure", { $0.credentials = .failure(.notFound(tried: ["x"])) }),
            (
                "credentials", .failed(.recordsRemain), "at the moment: why",
                { $0.credentials = .failure(.unavailable(source: "x", reason: "why")) }
            ),
            ("region", .failed(.refused), "set AWS_REGION", { $0.endpoint = .failure(.noRegion("why")) }),
            (
                "region", .failed(.recordsRemain), "set AWS_REGION",
                { $0.endpoint = .failure(.noRegion("why", isPassing: true)) }
            ),
            (
                "region", .failed(.refused), "is no AWS region",
                { $0.endpoint = .failure(.invalidRegion("-", source: "AWS_REGION")) }
            ),
            (
                "endpoint", .failed(.refused), "https://HOST",
                { $0.endpoint = .failure(.invalidURL("x", source: "AWS_ENDPOINT_URL", reason: "is none")) }
            ),
            (
                "endpoint", .ok,
                "https://logs.r.amazonaws.com/ (AWS_ENDPOINT_URL), by the proxy http://p:1 (HTTPS_PROXY)",
                {
                    var choice = choice()
                    choice.urlSource = "AWS_ENDPOINT_URL"
                    $0.endpoint = .success(choice)
                    $0.proxy = Proxy(url: "http://p:1", source: "HTTPS_PROXY")
                }
            ),
            (
                "identity", .failed(.refused), "InvalidClientTokenId: why; what to do",
                { $0.identity = .refused(failure("InvalidClientTokenId")) }
            ),
            ("identity", .warning, "does not need: Timeout: why", { $0.identity = .unknown(failure("Timeout")) }),
        ]
    }

    private static var network: [Row] {
        [
            (
                "reachability", .failed(.recordsRemain), "check the network",
                { $0.reach = .failed(HTTPError(.timeout, "why")) }
            ),
            (
                "reachability", .failed(.recordsRemain), "check the network",
                { $0.reach = .failed(HTTPError(.connection, "why")) }
            ),
            (
                "reachability", .failed(.refused), "answered 407",
                { $0.reach = .failed(HTTPError(.proxy, "it answered 407")) }
            ),
            (
                "tls", .failed(.refused), "AWS_CA_BUNDLE",
                { $0.reach = .failed(HTTPError(.certificate(.untrusted), "why")) }
            ),
            ("tls", .failed(.refused), "clock", { $0.reach = .failed(HTTPError(.certificate(.expired), "why")) }),
            ("tls", .warning, "use https", { $0.endpoint = .success(choice("http://localhost:1")) }),
            ("tls", .ok, "/ca.pem", { $0.authorities = "/ca.pem" }),
            ("clock", .ok, "within", { $0.clockOffset = -60 }),
            ("clock", .warning, "1 min 1 s behind", { $0.clockOffset = 61 }),
            ("clock", .warning, "2 h 0 min ahead of", { $0.clockOffset = -7_200 }),
            ("clock", .failed(.refused), "such times wait", { $0.clockOffset = -7_201 }),
            ("clock", .warning, "14 d 0 h behind", { $0.clockOffset = 1_209_600 }),
            ("clock", .failed(.refused), "such times are refused", { $0.clockOffset = 1_209_601 }),
            ("clock", .failed(.refused), "behind", { $0.clockOffset = .max }),
            ("clock", .failed(.refused), "ahead", { $0.clockOffset = .min }),
        ]
    }

    private static func outcome(_ outcome: DeliveryOutcome) -> (inout Findings) -> Void {
        { $0.streams = [.init(destination: destination, outcome: outcome)] }
    }

    private static var streams: [Row] {
        [
            (
                "stream", .warning, "g s: why; what to do",
                outcome(.destinationMissing(failure("ResourceNotFoundException")))
            ),
            (
                "stream", .failed(.refused), "g s: AccessDenied: why; what to do",
                outcome(.denied(failure("AccessDenied")))
            ),
            ("stream", .failed(.refused), "Invalid", outcome(.invalid(failure("InvalidParameterException")))),
            ("stream", .failed(.recordsRemain), "Throttling", outcome(.transient(failure("ThrottlingException")))),
            ("stream", .ok, "one event was written", { $0.writes = true }),
            ("stream", .warning, "3 more log streams", { $0.furtherStreams = 3 }),
            ("stream", .warning, "--log-group", { $0.streams = [] }),
        ]
    }

    @Test("Each finding has its verdict, its words and its exit code")
    func table() throws {
        for row in Self.spools + Self.uploads + Self.access + Self.network + Self.streams {
            let diagnosis = Diagnosis(Self.findings(row.change))
            let line = try #require(diagnosis.lines.last { $0.check == row.check }, "\(row.told)")
            #expect(line.verdict == row.verdict, "\(row.told)")
            #expect(line.message.contains(row.told), "\(line.message)")
            if case .failed(let status) = row.verdict { #expect(diagnosis.status == status, "\(row.told)") }
            if row.verdict == .warning || row.verdict == .ok { #expect(diagnosis.status == .done, "\(row.told)") }
        }
    }

    @Test("The first failure decides how it ends")
    func first() {
        let diagnosis = Diagnosis(
            Self.findings {
                $0.reach = .failed(HTTPError(.timeout, "why"))
                $0.streams = [.init(destination: Self.destination, outcome: .denied(Self.failure("AccessDenied")))]
            }
        )
        #expect(diagnosis.status == .recordsRemain)
    }

    @Test("The JSON has the documented keys, with and without values")
    func json() async throws {
        try await onOwnThread {
            let full = try Self.object(DoctorReport(Self.findings()).json)
            let expected: NSDictionary = [
                "good": true, "exit_code": 0, "spool": "/s.db", "credentials_source": "web identity",
                "access_key_id": "AKIA1", "region": "r", "region_source": "AWS_REGION",
                "endpoint": "https://logs.r.amazonaws.com/", "endpoint_source": NSNull(), "proxy": NSNull(),
                "clock_offset_seconds": 1, "account": "123456789012", "arn": "arn:aws:iam::123456789012:user/u",
            ]
            for (key, value) in expected { #expect(full[key] as? NSObject == value as? NSObject, "\(key)") }
            let checks = try #require(full["checks"] as? [NSDictionary])
            #expect(checks.compactMap { $0["check"] as? String } == Diagnosis.checks)
            #expect(
                checks.last == [
                    "check": "stream", "verdict": "ok", "message": "g s: exists and may be written", "log_group": "g",
                    "log_stream": "s",
                ]
            )
            #expect(checks.first?["log_group"] is NSNull)

            let none = try Self.object(
                DoctorReport(
                    Findings(
                        spool: .missing(path: "/s.db"),
                        credentials: .failure(.notFound(tried: [])),
                        endpoint: .failure(.noRegion("why"))
                    )
                ).json
            )
            #expect(none["good"] as? Bool == false)
            #expect(none["exit_code"] as? Int == 77)
            #expect(Set(none.allKeys as? [String] ?? []) == Set(full.allKeys as? [String] ?? []))
            #expect(none["region"] is NSNull && none["account"] is NSNull && none["clock_offset_seconds"] is NSNull)
            let help = try Command().run(["doctor", "--help"]).output
            for key in full.allKeys + checks.flatMap(\.allKeys) { #expect(help.contains("\(key)")) }
        }
    }

    private static func object(_ json: String) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary)
    }
}
