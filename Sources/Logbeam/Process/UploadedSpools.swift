internal import LogbeamSpool
internal import Synchronization

/// As whom, and to where, a shipper uploads.
struct UploadTarget: Equatable {
    private var client: ClientIdentity?
    private var region: String?
    private var endpointURL: String?
    private var profile: String?

    init(_ configuration: LogShipper.Configuration) {
        client = configuration.logsClient.map(ClientIdentity.init)
        // They have no effect on a client of one's own.
        guard client == nil else { return }
        region = configuration.region
        endpointURL = configuration.endpointURL
        profile = configuration.profile
    }

    /// The name of the first setting that differs; `nil` if none does.
    func difference(to other: UploadTarget) -> String? {
        if client != other.client { return "logsClient" }
        if region != other.region { return "region" }
        if endpointURL != other.endpointURL { return "endpointURL" }
        return profile != other.profile ? "profile" : nil
    }
}

/// Which of two clients is which: those that are no objects can not be told apart, and those of one type count as one.
struct ClientIdentity: Hashable {
    private let identifier: ObjectIdentifier

    init(_ client: any CloudWatchLogsClient) {
        identifier =
            type(of: client) is AnyClass ? ObjectIdentifier(client as AnyObject) : ObjectIdentifier(type(of: client))
    }
}

/// The spools from which this process uploads. Whichever of its shippers has the lease of one uploads what all of them log
/// there, so they must agree on where that goes. Thread-safe.
enum UploadedSpools {
    private struct Use {
        /// Without symbolic links. Its bytes, for to Swift other bytes may be the same text.
        var spool: [UInt8]
        var target: UploadTarget
        weak var mailbox: Mailbox?
        var forkNumber: Int

        /// Whether somebody uploads there, or is about to.
        var isAlive: Bool { forkNumber == ForkGate.number && mailbox?.isStopped == false }
    }

    private static let uses = Mutex<[Use]>([])

    /// Notes that a shipper is about to upload, until it is stopped. Throws if another one does so to elsewhere.
    static func add(_ configuration: LogShipper.Configuration, _ context: UploadContext) throws(ConfigurationError) {
        let use = Use(
            spool: Array(context.spool.utf8),
            target: UploadTarget(configuration),
            mailbox: context.mailbox,
            forkNumber: ForkGate.number
        )
        // A child must not find the lock taken by a thread that it does not have.
        let difference: String? = ForkGate.pass {
            uses.withLock { uses in
                uses.removeAll { !$0.isAlive }
                for other in uses where other.spool == use.spool {
                    if let difference = other.target.difference(to: use.target) { return difference }
                }
                uses.append(use)
                return nil
            }
        }
        guard let difference else { return }
        throw ConfigurationError(
            setting: "spool",
            value: context.spool,
            bound: "a spool of its own: this process uploads from that one with another \(difference) too"
        )
    }
}
