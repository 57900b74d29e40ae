internal import ArgumentParser
internal import Logbeam
internal import LogbeamAWS
internal import LogbeamCloudWatch

/// `logbeam-spool policy`.
struct Policy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Prints the least IAM policy that shipping into a log stream needs.",
        discussion: """
            With --create group also what is needed to make a log group that is missing; with --create nothing only what is \
            needed where both are there. Placeholders in the name of the stream, such as {hostname}, become '*'.

            The account is asked for with the credentials that are at hand (STS GetCallerIdentity). Without them ACCOUNT \
            stands in its place, and standard error says so.

            Examples:
              logbeam-spool policy --log-group shop --log-stream orders
              logbeam-spool policy --log-group shop --log-stream '{hostname}-{pid}' \\
                --create group --retention
              logbeam-spool policy --log-group shop --log-stream orders \\
                --region eu-central-1 --account 123456789012
            """
    )

    @Option(help: "The log group.")
    var logGroup: String

    @Option(help: "The log stream, with placeholders as in the library; '*' for all of the group.")
    var logStream: String

    @Option(help: "What may be made where it is missing.")
    var create = PolicyDocument.Creation.stream

    @Flag(help: "Allow a group that is made to get a retention.")
    var retention = false

    @Flag(help: "Allow a group that is made to get tags.")
    var tags = false

    @Flag(help: "Allow to look for batches in doubt (reconcileAfter).")
    var reconcile = false

    @Option(help: ArgumentHelp("The id of the AWS account: twelve digits. (default: asked for)", valueName: "id"))
    var account: String?

    @OptionGroup var aws: AWSOptions

    func validate() throws {
        try SpoolOption.validate {
            $0.logGroupName = logGroup
            if logStream != "*" { $0.logStreamName = logStream }
            aws.apply(to: &$0)
        }
        if let account, account.utf8.count != 12 || !account.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            throw ValidationError("--account is \(account.jsonQuoted); it must be twelve digits")
        }
    }

    func run() throws {
        let service = CloudWatchLogsService(aws.service)
        let choice: EndpointChoice
        do throws(EndpointError) {
            choice = try service.endpoint()
        } catch {
            throw Failure(.refused, error.description)
        }
        let document = PolicyDocument(
            region: choice.endpoint.region,
            account: account ?? self.account(of: service),
            logGroup: logGroup,
            logStream: logStream == "*" ? nil : try StreamNameTemplate(logStream),
            creation: create,
            setsRetention: retention,
            setsTags: tags,
            reconciles: reconcile
        )
        try StandardStreams.print(document.text)
    }

    private func account(of service: CloudWatchLogsService) -> String {
        switch service.identity() {
        case .known(let identity): return identity.account
        case .refused(let failure), .unknown(let failure):
            StandardStreams.complain(
                "the account is not known (\(failure)); write its id where ACCOUNT stands, or name it with --account"
            )
            return "ACCOUNT"
        }
    }
}

extension PolicyDocument.Creation: ExpressibleByArgument {}
