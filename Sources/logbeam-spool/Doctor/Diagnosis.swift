internal import LogbeamAWS
internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool

/// What findings mean, a line for each thing that shipping needs. Pure.
struct Diagnosis {
    enum Verdict: Equatable {
        case ok
        /// Shipping works, or may work, but something is not as it should be.
        case warning
        /// Shipping can not work; what `doctor` exits with.
        case failed(ExitStatus)
    }

    struct Line: Equatable {
        /// What was looked at: one of ``checks``.
        var check: String
        var verdict: Verdict
        /// What was found and, behind a semicolon, what to do about it.
        var message: String
        var destination: Destination?

        init(_ check: String, _ verdict: Verdict, _ message: String, _ destination: Destination? = nil) {
            self.check = check
            self.verdict = verdict
            self.message = message
            self.destination = destination
        }
    }

    /// In the order of the lines, which is that of cause and effect.
    static let checks = [
        "spool", "credentials", "region", "endpoint", "reachability", "tls", "clock", "identity", "stream",
    ]

    let lines: [Line]

    /// The first failure is the likeliest to be the cause of the others.
    var status: ExitStatus {
        for line in lines {
            if case .failed(let status) = line.verdict { return status }
        }
        return .done
    }

    init(_ findings: Findings) {
        var lines = [Self.spool(findings.spool)] + Self.journals(findings.spool) + Self.failingUploads(findings.spool)
        lines.append(Self.credentials(findings.credentials))
        switch findings.endpoint {
        case .success(let choice):
            lines.append(Line("region", .ok, "\(choice.endpoint.region) (\(choice.regionSource))"))
            lines.append(Self.endpoint(choice, findings.proxy))
            if let reach = findings.reach { lines += Self.reach(reach, choice.endpoint, findings.authorities) }
        case .failure(let error):
            lines.append(
                Line(
                    error.isAboutRegion ? "region" : "endpoint",
                    .failed(error.isPassing ? .recordsRemain : .refused),
                    error.description
                )
            )
        }
        if let offset = findings.clockOffset { lines.append(Self.clock(offset)) }
        if let identity = findings.identity { lines.append(Self.identity(identity)) }
        lines += findings.streams.map { Self.stream($0, writes: findings.writes) }
        if findings.furtherStreams > 0 {
            let count = HumanUnits.count(findings.furtherStreams, "more log stream")
            lines.append(
                Line("stream", .warning, "\(count) not looked at; name one with --log-group and --log-stream")
            )
        } else if findings.streams.isEmpty, case .success = findings.credentials, case .answered? = findings.reach {
            lines.append(Line("stream", .warning, "none to look at; name one with --log-group and --log-stream"))
        }
        self.lines = lines
    }

    // MARK: On this machine

    /// Less than this is free on the disk: a warning. An outage of an hour at 100 kB a second fits.
    private static let littleSpace = 500_000_000

    private static func spool(_ spool: Findings.Spool) -> Line {
        switch spool {
        case .missing(let path):
            return Line("spool", .warning, "\(path) does not exist yet; the first record makes it")
        case .unusable(let error):
            return Line("spool", .failed(ExitStatus(error.kind)), error.description)
        case .found(let status, let files):
            let free = files.freeBytes.map { ", \(HumanUnits.bytes($0)) free" } ?? ""
            let facts =
                "\(status.path): mode \(String(files.mode, radix: 8)), "
                + "\(HumanUnits.count(status.pending, "record")) pending\(free), \(uploader(status))"
            if files.mode & 0o077 != 0 {
                return Line("spool", .warning, "\(facts); others may read it: chmod 600 \(status.path)")
            }
            if !files.isWritable {
                return Line("spool", .warning, "\(facts); this user can not write to it")
            }
            if let free = files.freeBytes, free < littleSpace {
                return Line("spool", .warning, "\(facts); make room on its disk")
            }
            if status.pending > 0, status.uploader == nil {
                return Line("spool", .warning, "\(facts); start the program that logs, or run 'logbeam-spool drain'")
            }
            return Line("spool", .ok, facts)
        }
    }

    private static func journals(_ spool: Findings.Spool) -> [Line] {
        guard case .found(let status, _) = spool else { return [] }
        return status.journals.map { Line("spool", .warning, $0.description) }
    }

    /// That uploads fail, by what the spool says of them: whoever uploads may find other credentials and another network
    /// than `doctor`. A delivery takes the last error away, so that what is there is the newer of the two.
    private static func failingUploads(_ spool: Findings.Spool) -> [Line] {
        guard case .found(let status, _) = spool else { return [] }
        let failing = status.streams.filter { $0.pending > 0 && $0.lastError != nil }
        guard let stream = failing.max(by: { ($0.lastErrorTime ?? 0) < ($1.lastErrorTime ?? 0) }),
            let error = stream.lastError
        else { return [] }
        let more = failing.count > 1 ? " and \(HumanUnits.count(failing.count - 1, "more log stream"))" : ""
        let time = stream.lastErrorTime.map { " at \(UTCTime(millisecondsSinceEpoch: $0).iso8601)" } ?? ""
        let facts = "\(stream.destination.name)\(more): the last upload failed\(time), \(uploader(status))"
        return [Line("spool", .warning, "\(facts): \(error)", stream.destination)]
    }

    private static func uploader(_ status: SpoolStatus) -> String {
        status.uploader.map { "\($0.name) uploads" } ?? "nobody uploads"
    }

    private static func credentials(_ result: Result<CredentialsChain.Found, CredentialsError>) -> Line {
        switch result {
        case .success(let found):
            let end = found.credentials.expiration.map {
                ", good until \(UTCTime(millisecondsSinceEpoch: $0 * 1_000).iso8601)"
            }
            let key = "key \(found.credentials.accessKeyID)"
            return Line("credentials", .ok, "\(found.description): \(key)\(end ?? "")")
        case .failure(let error):
            return Line("credentials", .failed(error.isPassing ? .recordsRemain : .refused), error.description)
        }
    }

    /// In seconds, what the clock may be off before somebody should know. AWS takes signatures that are 300 s off.
    private static let tolerableOffset: Int64 = 60

    /// PutLogEvents takes events up to 2 hours ahead and 14 days back.
    private static let takenOffsets: ClosedRange<Int64> = -7_200...1_209_600

    private static func clock(_ offset: Int64) -> Line {
        let length = HumanUnits.duration(milliseconds: Int64(clamping: offset.magnitude).multipliedSaturated(by: 1_000))
        guard offset.magnitude > tolerableOffset else {
            return Line("clock", .ok, "within \(tolerableOffset) s of the service's")
        }
        let text = "\(length) \(offset > 0 ? "behind" : "ahead of") the service's"
        let remedy = "set it right: records carry its time, signatures alone are corrected"
        guard takenOffsets.contains(offset) else {
            let fate = offset > 0 ? "are refused" : "wait until CloudWatch Logs takes them"
            return Line("clock", .failed(.refused), "\(text), and records with such times \(fate); \(remedy)")
        }
        return Line("clock", .warning, "\(text); \(remedy)")
    }

    // MARK: At AWS

    private static func endpoint(_ choice: EndpointChoice, _ proxy: Proxy?) -> Line {
        let by = proxy.map { ", by the proxy \($0)" } ?? ""
        return Line("endpoint", .ok, "\(choice.endpoint.url) (\(choice.urlSource ?? "the region's own"))\(by)")
    }

    private static func reach(_ reach: Findings.Reach, _ endpoint: Endpoint, _ authorities: String?) -> [Line] {
        switch reach {
        case .answered:
            return [Line("reachability", .ok, "it answers"), tls(endpoint, authorities)]
        case .failed(let error):
            let failure = DeliveryOutcome.of(error).failure
            let message = failure?.message ?? error.message
            if case .certificate = error.kind {
                return [Line("reachability", .ok, "it answers"), Line("tls", .failed(.refused), message)]
            }
            if case .denied = DeliveryOutcome.of(error) { return [Line("reachability", .failed(.refused), message)] }
            let remedy =
                "check the network, the proxy and the firewall; in a VPC without a way out, make an endpoint for it"
            return [Line("reachability", .failed(.recordsRemain), "\(message); \(remedy)")]
        }
    }

    private static func tls(_ endpoint: Endpoint, _ authorities: String?) -> Line {
        guard endpoint.isEncrypted else {
            return Line(
                "tls",
                .warning,
                "none: whoever is in between can read the records; use https, but on this machine"
            )
        }
        return Line("tls", .ok, "1.2 or later, with a certificate that \(authorities ?? "the system") vouches for")
    }

    private static func identity(_ answer: IdentityAnswer) -> Line {
        switch answer {
        case .known(let identity): Line("identity", .ok, "\(identity.arn) in account \(identity.account)")
        case .refused(let failure): Line("identity", .failed(.refused), failure.description)
        case .unknown(let failure): Line("identity", .warning, "not known, which shipping does not need: \(failure)")
        }
    }

    private static let missingRemedy =
        "the first batch makes it if that is allowed ('logbeam-spool policy --create group')"

    private static func missing(_ failure: DeliveryFailure) -> String {
        failure.message.hasSuffix(".") ? String(failure.message.dropLast()) : failure.message
    }

    private static func stream(_ stream: Findings.Stream, writes: Bool) -> Line {
        let destination = stream.destination
        func line(_ verdict: Verdict, _ text: String) -> Line {
            Line("stream", verdict, "\(destination.name): \(text)", destination)
        }
        return switch stream.outcome {
        case .accepted where writes: line(.ok, "one event was written")
        case .accepted: line(.ok, "exists and may be written")
        case .destinationMissing(let failure): line(.warning, "\(missing(failure)); \(missingRemedy)")
        case .denied(let failure), .invalid(let failure): line(.failed(.refused), failure.description)
        case .transient(let failure): line(.failed(.recordsRemain), failure.description)
        }
    }
}
