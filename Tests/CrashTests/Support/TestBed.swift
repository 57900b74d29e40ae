import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

/// A spool, an endpoint, and the processes between them.
struct TestBed {
    static let stream = Destination(logGroup: "group", logStream: "stream")

    /// Settings of a service that reaches nobody, tcpmux having no listener, and does not wait for it at its end.
    static let cutOff = ["AWS_ENDPOINT_URL": "http://127.0.0.1:1", "EXIT_FLUSH_MS": "0"]

    let endpoint: LocalEndpoint
    private let directory: TemporaryDirectory
    private let subdirectory: String?

    /// - Parameter subdirectory: in which the spool is to be; none if `nil`.
    init(accessKeys: [AccessKey] = [.any], inDirectory subdirectory: String? = nil) throws {
        self.subdirectory = subdirectory
        endpoint = try LocalEndpoint(accessKeys: accessKeys, autoCreate: true)
        directory = try TemporaryDirectory()
    }

    var path: String { directory.path }
    var spool: String { directory.file((subdirectory.map { $0 + "/" } ?? "") + "spool.db") }
    var hasSpool: Bool { FileManager.default.fileExists(atPath: spool) }

    /// All that a process of the test bed knows of AWS.
    var environment: [String: String] {
        [
            "HOME": directory.path,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        ].merging(AccessKey.any.environment) { $1 }.merging(Sanitizer.environment) { $1 }
    }

    /// Starts a service that logs numbered records; see `logbeam-demo-service` for the settings. It waits for a lock as long as
    /// may be: what a machine that is too busy has told on standard error instead is neither lost nor shipped.
    func startService(
        logging count: Int = 1_000_000,
        from first: Int = 1,
        into stream: String = Self.stream.logStream,
        threads: Int = 1,
        settings: [String: String] = [:],
        killedAt point: KillPoint? = nil
    ) throws -> ChildProcess {
        try start(
            [
                BuiltProducts.executable("logbeam-demo-service"),
                spool, Self.stream.logGroup, stream, "\(count)", "\(threads)",
            ],
            environment: environment.merging(["COMMIT_MS": "60000"]) { $1 }.merging(settings) { $1 }
                .merging(["FIRST": "\(first)"]) { $1 },
            killedAt: point
        )
    }

    /// Starts a service that does what a test says; see `logbeam-spool-exerciser`.
    func startExerciser(
        _ action: String,
        _ count: Int = 0,
        settings: [String: String] = [:],
        shell: String? = nil
    ) throws -> ChildProcess {
        let exerciser = try BuiltProducts.executable("logbeam-spool-exerciser")
        let arguments = [action, spool, "\(count)"]
        let environment = environment.merging(settings) { $1 }
        guard let shell else { return try ChildProcess(exerciser, arguments, environment: environment) }
        let all = environment.merging(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]) { $1 }
        return try ChildProcess("/bin/sh", ["-c", shell, exerciser] + arguments, environment: all)
    }

    /// The messages of all streams that arrived.
    func arrived() -> [String] { Self.messages(endpoint.records) }

    /// Blocks until all of these have arrived; false if they do not.
    func waitForArrival(of messages: Set<String>) -> Bool {
        endpoint.wait { messages.isSubset(of: Self.messages($0)) }
    }

    private static func messages(_ records: LocalEndpoint.Records) -> [String] {
        records.destinations.flatMap { records.events(in: $0).map(\.message) }
    }

    /// Starts `logbeam-spool drain`.
    func startDrain(
        _ options: [String] = [],
        identity: [String: String] = [:],
        killedAt point: KillPoint? = nil
    ) throws -> ChildProcess {
        let process = try start(
            [BuiltProducts.executable("logbeam-spool"), "drain", "--spool", spool] + options,
            environment: environment.merging(identity) { $1 },
            killedAt: point
        )
        process.closeInput()
        return process
    }

    /// Starts `logbeam-spool ship`.
    func startShip(_ options: [String] = []) throws -> ChildProcess {
        let process = try start(
            [BuiltProducts.executable("logbeam-spool"), "ship", "--spool", spool, "--buffer-duration", "0.02"]
                + options,
            environment: environment,
            killedAt: nil
        )
        process.closeInput()
        return process
    }

    private func start(
        _ command: [String],
        environment: [String: String],
        killedAt point: KillPoint?
    ) throws -> ChildProcess {
        let command = try (point?.command() ?? []) + command
        return try ChildProcess(command[0], Array(command.dropFirst()), environment: environment)
    }

    /// Ships all that is left; fails the test if anything remains.
    func drain(identity: [String: String] = [:]) throws {
        let process = try startDrain(identity: identity)
        let exitCode = try process.wait().exitCode
        #expect(exitCode == 0, "\(process.text(.standardError))")
    }

    /// Whether `logbeam-spool check` calls the spool good.
    func isSound() throws -> Bool {
        try run(["check", "--spool", spool]) == 0
    }

    /// The files that were set aside beside the spool.
    func setAside() throws -> [String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        let suffixes = ["-wal", "-shm", "-uploader", ".db"]
        return names.filter { $0.hasPrefix("spool.db.damaged-") && !suffixes.contains(where: $0.hasSuffix) }.sorted()
            .map(directory.file)
    }

    /// The journals beside the spool.
    func journals() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).filter { $0.contains(".journal-") }
    }

    /// Takes what is readable out of a damaged spool, and ships it. Returns whether something of it was not readable.
    func salvage(_ file: String) throws -> Bool {
        let target = file + ".salvaged.db"
        let code = try run(["salvage", file, "--into", target])
        guard FileManager.default.fileExists(atPath: target) else { return true }
        // A damaged time may lie in the future: its record remains.
        return try run(["drain", "--spool", target]) != 0 || code == 65
    }

    private func run(_ arguments: [String]) throws -> Int32? {
        let process = try ChildProcess(
            BuiltProducts.executable("logbeam-spool"),
            arguments,
            environment: environment
        )
        process.closeInput()
        let code = try process.wait().exitCode
        #expect([0, 65, 75].contains(code), "\(arguments): \(process.text(.standardError))")
        return code
    }

    func query(_ sql: String) throws -> [String] {
        try SQLiteShell.query(sql, in: spool)
    }

    /// The messages that are pending.
    func pending() throws -> [String] {
        try query("SELECT message FROM pending ORDER BY id")
    }

    /// The messages of the batches of which nobody knows whether they arrived.
    func inDoubt() throws -> [String] {
        try query(
            """
            SELECT message FROM deliveries JOIN records ON records.id BETWEEN first_id AND last_id
                AND records.stream_id = deliveries.stream_id AND timestamp <= latest_timestamp
            WHERE acknowledged = 0 ORDER BY records.id
            """
        )
    }

    /// A batch that is noted in `deliveries`.
    struct Delivery {
        /// It has arrived for sure, and only its deletion is not at its end.
        var isAcknowledged: Bool
        /// What is left of it, in the order in which it is sent.
        var messages: [String]
    }

    /// The batches that were on their way when their service died, oldest first.
    func deliveries() throws -> [Delivery] {
        let rows = try query(
            """
            SELECT deliveries.id, acknowledged, message FROM deliveries LEFT JOIN records
                ON records.id BETWEEN first_id AND last_id AND records.stream_id = deliveries.stream_id
                AND timestamp <= latest_timestamp
            ORDER BY deliveries.id, timestamp, records.id
            """
        )
        var deliveries: [(id: Substring, delivery: Delivery)] = []
        for row in rows {
            let columns = row.split(separator: "|", maxSplits: 2, omittingEmptySubsequences: false)
            if deliveries.last?.id != columns[0] {
                deliveries.append((columns[0], Delivery(isAcknowledged: columns[1] == "1", messages: [])))
            }
            if !columns[2].isEmpty { deliveries[deliveries.count - 1].delivery.messages.append(String(columns[2])) }
        }
        return deliveries.map(\.delivery)
    }

    /// The messages that arrived, in the order of their arrival.
    func shipped(to stream: String = Self.stream.logStream) -> [String] {
        endpoint.messages(in: Destination(logGroup: Self.stream.logGroup, logStream: stream))
    }

    /// The messages that a service had logged, going by what it reported, as they stand in the log stream.
    static func logged(by service: ChildProcess) -> [String] {
        let output = service.text()
        #expect(output.isEmpty || output.hasSuffix("\n"))
        return output.split(separator: "\n").map { "INFO demo: \($0)" }
    }
}

extension ChildProcess {
    /// Blocks until the process has written so many lines.
    func waitForLines(_ count: Int, of stream: Stream = .standardOutput) throws {
        try waitForOutput(stream) { text in text.utf8.count { $0 == UInt8(ascii: "\n") } >= count }
    }
}
