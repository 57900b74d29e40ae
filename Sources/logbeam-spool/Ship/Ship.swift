internal import ArgumentParser
internal import Logbeam
internal import LogbeamCloudWatch
internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool ship`.
struct Ship: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ship",
        abstract: "Ships what programs log to their spools, as long as it runs.",
        discussion: """
            For a supervisor: it stays in the foreground, and tells on standard error what changes. It ships what \
            programs that run log, and what those that have died left behind. A program that is not to upload itself \
            sets 'uploads' to false. Where a program, or another 'ship', uploads from a spool, this one stands by, and \
            takes over within a second of its end, or 30 seconds after it began to hang.

            --spool may be given several times, and may be a pattern, in quotes: '/var/lib/*/spool.db'. Patterns are \
            looked at again every second, so that spools which come later are shipped too, up to \
            \(Fleet.maximumCount) at once. Each takes about 14 file descriptors, and connections come on top: for so many \
            the hard limit ('ulimit -Hn', LimitNOFILE= of systemd) must be 4,096 at least; the soft one is raised by \
            itself. A spool that is missing, damaged, of another user or of a later version, or for which descriptors are \
            lacking, is told once and tried again; it holds up no other, and none is ever made.

            The journal of a dead program that can not be moved into its spool is told once, with the reason.

            Missing log groups and streams are made with the service's defaults. Credentials and region come from \
            where other AWS tools look for them.

            SIGTERM or SIGINT: sends what is pending for --stop-timeout at most, and ends: with 0 if nothing remains, \
            with 75 if records remain, which are shipped by whoever opens the spool next, or if a spool can not be read; \
            else with 73 if one must not be opened, a symbolic link for example. What another process ships does not \
            count. A second one ends it at once, with 75.

            SIGHUP: reads credentials, profiles and certificates anew, and tries at once what waits to be tried again. \
            Variables of the environment stay as they are.

            Under systemd: 'Type=notify'. READY comes when each spool that is there was opened, or could not be. With \
            WatchdogSec= it shows a sign of life only while the loops of all spools go round; a minute or more leaves \
            room for slow disks.

            With --metrics-port: numbers for Prometheus at http://127.0.0.1:PORT/metrics, for each spool: \
            \(MetricsText.names). Pending records are counted for each answer, which takes time that grows with them.

            Examples:
              logbeam-spool ship
              logbeam-spool ship --spool '/var/lib/*/spool.db' --metrics-port 9464
              logbeam-spool ship --spool /spool/logs.db --stop-timeout 8
            """
    )

    @Option(
        name: .customLong("spool"),
        help: ArgumentHelp(
            "A spool, or a pattern; may be repeated. (default: $LOGBEAM_SPOOL, else the user's)",
            valueName: "path"
        ),
        completion: .file()
    )
    var spools: [String] = []

    @Option(
        help: ArgumentHelp(
            "How old the oldest record of a log stream may grow before it is sent; more than 0.",
            valueName: "seconds"
        )
    )
    var bufferDuration = 10.0

    @Option(
        help: ArgumentHelp(
            "For how long what is pending is sent after SIGTERM. Less than whoever stops it waits before SIGKILL.",
            valueName: "seconds"
        )
    )
    var stopTimeout = 25.0

    @Option(
        help: ArgumentHelp("Answer Prometheus on this port of 127.0.0.1; 0 for any that is free.", valueName: "port")
    )
    var metricsPort: UInt16?

    @OptionGroup var aws: AWSOptions

    private var patterns: [SpoolPattern] {
        (spools.isEmpty ? [LogShipper.Configuration.defaultSpoolPath()] : spools).map { SpoolPattern(text: $0) }
    }

    func validate() throws {
        guard bufferDuration > 0, bufferDuration <= 86_400 else {
            throw ValidationError(
                "--buffer-duration is \(bufferDuration); it must be more than 0 and at most 86400 seconds"
            )
        }
        guard stopTimeout >= 0, stopTimeout <= 3_600 else {
            throw ValidationError("--stop-timeout is \(stopTimeout); it must be from 0 to 3600 seconds")
        }
        for pattern in patterns { try SpoolOption.validate(spool: pattern.text, aws.apply) }
    }

    func run() throws {
        // First of all: it changes the environment, which other threads read.
        let manager = ServiceManager.takeFromEnvironment()
        let hangup = Hangup()
        let signals = try TerminationSignals.watch(secondExitsWith: .recordsRemain) {
            hangup.hasCome.store(true, ordering: .relaxed)
        }
        Self.raiseDescriptorLimit()
        var configuration = aws.service
        configuration.report = { Ship.tell($0) }
        let fleet = Fleet(
            patterns: patterns,
            service: SharedService { [configuration] in CloudWatchLogsService(configuration) },
            limits: BatchLimits(age: Int64((bufferDuration * 1_000).rounded(.up)))
        )
        if let metricsPort {
            let server = try MetricsServer(port: metricsPort) { MetricsText.page(fleet.spools) }
            Ship.tell("metrics at http://127.0.0.1:\(server.port)/metrics")
        }
        var overseer = Overseer(fleet: fleet, manager: manager)
        while !signals.haveCome {
            if hangup.hasCome.exchange(false, ordering: .relaxed) { overseer.reload() }
            overseer.look()
            _ = signals.wait(until: MonotonicClock.milliseconds() + overseer.pause)
        }
        try overseer.stop(within: Int64((stopTimeout * 1_000).rounded(.up)))
    }

    /// Writes one line for people to standard error, or gives up: a reader that does not read must not hold up the shipping.
    static func tell(_ message: String) {
        StandardError.write(line: "logbeam-spool: \(message.printable)")
    }

    private final class Hangup: Sendable {
        let hasCome = Atomic(false)
    }

    /// Many systems start a process with 1,024 descriptors at most and let it ask for more.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        #if os(Linux)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 16_384))
        setrlimit(resource, &limit)
    }
}
