internal import ArgumentParser
internal import Logbeam
internal import LogbeamAWS
internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool

/// `logbeam-spool doctor`.
struct Doctor: ParsableCommand {
    /// A spool may have a stream for each process that ever was.
    private static let streamLimit = 20

    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Looks whether all is there that shipping needs, and says what to do if not.",
        discussion: """
            Looks at the spool, the credentials and where they are from, the region and the endpoint and what names them, \
            whether the endpoint answers, its certificate, the clock, whose credentials these are (STS GetCallerIdentity), \
            and whether the log streams may be written: those of the spool (\(streamLimit) at most), or the one that is \
            named.

            All that is what doctor itself finds. Where another process uploads, it may find other credentials and another \
            network; that its uploads fail is told by the last error in the spool.

            Writes nothing to CloudWatch Logs, and nothing into the spool, \(SpoolOption.takesInJournals). To see \
            whether a stream may be written it sends PutLogEvents with one event of 15 days ago, which CloudWatch Logs \
            refuses for its age only after it has found the permission and the stream. With --write it does what a \
            program that logs does: makes what is missing, and writes one event.

            Each line says ok, warning or failed, what was looked at, and what was found; behind a semicolon, what to do. \
            Without a failure it ends with 0; else with what the first one means: 77 where a person must mend something \
            (credentials, permissions, region, clock, certificate), 75 where AWS cannot be reached or is in trouble, or what \
            is wrong with the spool. No secret is shown.

            With --json: one object with good, exit_code, spool, credentials_source, access_key_id, region, region_source, \
            endpoint, endpoint_source (null for the region's own), proxy, clock_offset_seconds (how far the service is \
            ahead), account, arn (all but the first three null where not known), and checks, an array of objects with check \
            (\(Diagnosis.checks.joined(separator: ", "))), verdict (ok, warning, failed), message, log_group and log_stream \
            (null where it is about no stream).

            Examples:
              logbeam-spool doctor
              logbeam-spool doctor --log-group shop --log-stream orders --write
              logbeam-spool doctor --json | jq '.checks[] | select(.verdict == "failed")'
            """
    )

    @OptionGroup var spool: SpoolOption

    @Option(help: "The log group to look at; with --log-stream.")
    var logGroup: String?

    @Option(help: "The log stream to look at, with placeholders as 'append' has them. (default: those of the spool)")
    var logStream: String?

    @OptionGroup var aws: AWSOptions

    @Flag(help: "Write one event into each stream.")
    var write = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (logGroup == nil) == (logStream == nil) else {
            throw ValidationError("--log-group and --log-stream go together")
        }
        try spool.validate {
            if let logGroup { $0.logGroupName = logGroup }
            if let logStream { $0.logStreamName = logStream }
            aws.apply(to: &$0)
        }
    }

    func run() throws {
        let named = try logGroup.flatMap { group in
            try logStream.map { try SpoolOption.resolve(Destination(logGroup: group, logStream: $0)) }
        }
        let report = DoctorReport(examine(named))
        try StandardStreams.print(json ? report.json : report.page(on: .output))
        if report.diagnosis.status != .done { throw ExitCode(report.diagnosis.status.rawValue) }
    }

    /// - Parameter named: the log stream to look at, instead of those of the spool.
    private func examine(_ named: Destination?) -> Findings {
        let service = CloudWatchLogsService(aws.service)
        var findings = Findings(
            spool: examineSpool(),
            credentials: service.credentialsFound(),
            endpoint: Result { () throws(EndpointError) in try service.endpoint() },
            authorities: service.certificateAuthorityFile
        )
        guard case .success(let choice) = findings.endpoint else { return findings }
        do throws(HTTPError) {
            findings.proxy = try service.proxy(to: choice.endpoint)
            findings.clockOffset = try service.greet(choice.endpoint)
            findings.reach = .answered
        } catch {
            findings.reach = .failed(error)
            return findings
        }
        guard case .success = findings.credentials else { return findings }
        findings.identity = service.identity()
        let streams = named.map { [$0] } ?? self.streams(in: findings.spool)
        findings.furtherStreams = max(0, streams.count - Self.streamLimit)
        findings.writes = write
        findings.streams = streams.prefix(Self.streamLimit).map { destination in
            .init(
                destination: destination,
                outcome: write ? service.write(to: destination) : service.rehearse(destination)
            )
        }
        return findings
    }

    private func examineSpool() -> Findings.Spool {
        do throws(SpoolError) {
            let status = try SpoolStatus.read(path: spool.path)
            guard let files = FileFacts.look(at: spool.path) else { return .missing(path: spool.path) }
            return .found(status, files)
        } catch  where error.kind == .missing {
            return .missing(path: spool.path)
        } catch {
            return .unusable(error)
        }
    }

    private func streams(in spool: Findings.Spool) -> [Destination] {
        guard case .found(let status, _) = spool else { return [] }
        // Those that have something to ship come first.
        return (status.streams.filter { $0.pending > 0 } + status.streams.filter { $0.pending == 0 }).map(\.destination)
    }
}
