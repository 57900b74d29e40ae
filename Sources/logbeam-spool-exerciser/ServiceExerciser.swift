import Foundation
import Logbeam
import LogbeamSpool
import Logging
import Synchronization

/// A service that logs, to which a test does what it likes. It reports each record, with a line, when `log()` has returned.
struct ServiceExerciser {
    private let shipper: LogShipper
    private let loggers: [Logger]

    /// The endpoint and the credentials come from the AWS variables of the environment; `JOURNAL` gives it a journal.
    init(_ spool: String) throws {
        let shipper = try LogShipper(
            LogShipper.Configuration(
                logGroupName: "group",
                logStreamName: "stream",
                spool: spool,
                bufferDuration: .milliseconds(20),
                format: .message,
                exitFlushTimeout: .zero,
                usesJournal: ProcessInfo.processInfo.environment["JOURNAL"] != nil
            )
        )
        self.shipper = shipper
        let other = try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: "other")
        loggers = [
            Logger(label: "") { CloudWatchLogsHandler(label: $0, shipper: shipper) }, Logger(label: "") { _ in other },
        ]
    }

    /// Logs records one after the other, as a service that leaves the shipping to others: for `Scripts/instructions`.
    static func log(to spool: String, records: Int) throws {
        let shipper = try LogShipper(
            LogShipper.Configuration(logGroupName: "group", logStreamName: "stream", spool: spool, uploads: false)
        )
        let logger = Logger(label: "app") { CloudWatchLogsHandler(label: $0, shipper: shipper) }
        // 128 bytes, with what the format puts before it.
        let message: Logger.Message =
            """
            GET /api/v2/orders/471113 status=200 duration=4711us request=2f6b9c0d1e8a7754 user=482 region=eu-central-1 as always..
            """
        for _ in 0..<records { logger.info(message) }
    }

    /// Logs records, and returns with nothing left that holds the shipper. Nothing is sent before the end by itself.
    static func leave(_ spool: String, records: Int) throws {
        let logger = try patientLogger(spool)
        for number in 0..<records { logger.info("\(number)") }
    }

    /// Logs records, and waits for SIGTERM: with `HANDLES_TERM` for its end by `exit`.
    static func waitForSignal(_ spool: String, records: Int) throws {
        let logger = try patientLogger(spool)
        let termination = DispatchSource.makeSignalSource(signal: SIGTERM, queue: .global())
        if ProcessInfo.processInfo.environment["HANDLES_TERM"] != nil {
            signal(SIGTERM, SIG_IGN)
            termination.setEventHandler { exit(0) }
            termination.resume()
        }
        for number in 0..<records { logger.info("\(number)") }
        Exerciser.say("waiting")
        while true { sleep(60) }
    }

    private static func patientLogger(_ spool: String) throws -> Logger {
        let shipper = try LogShipper(
            LogShipper.Configuration(
                logGroupName: "group",
                logStreamName: "stream",
                spool: spool,
                bufferDuration: .seconds(3_600),
                format: .message,
                exitFlushTimeout: .seconds(60),
                usesJournal: ProcessInfo.processInfo.environment["JOURNAL"] != nil
            )
        )
        return Logger(label: "") { CloudWatchLogsHandler(label: $0, shipper: shipper) }
    }

    private func log(_ text: String) {
        loggers[abs(text.hashValue) % 2].info("\(text)")
        Exerciser.say(text)
    }

    /// Logs from some threads until the end of the input. Does for each line of it what that says, and reports it: `chroot`
    /// and a path, or a command for the shell.
    func live(threads: Int) throws {
        let isOver = Flag()
        for thread in 0..<threads {
            Exerciser.onThread {
                var number = 0
                while !isOver.isSet {
                    log("\(thread) \(number)")
                    number += 1
                    usleep(500)
                }
            }
        }
        while let line = readLine() {
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            if words.first == "chroot", words.count == 2 {
                guard chroot(words[1]) == 0, chdir("/") == 0 else {
                    Exerciser.fail("chroot: \(String(cString: strerror(errno)))", exitCode: 71)
                }
            } else {
                let shell = Process()
                shell.executableURL = URL(fileURLWithPath: "/bin/sh")
                shell.arguments = ["-c", line]
                try shell.run()
                shell.waitUntilExit()
            }
            Exerciser.say("did \(line)")
        }
        isOver.set()
    }

    /// Logs from four threads while it forks children, some at the same time, that log too; ends when they have ended.
    ///
    /// It begins with that at the end of its input. Until then it has logged and shipped something, so that every thread has
    /// used the types that it uses: where it is the first to use one, Swift's runtime holds a lock, and a child that is
    /// forked at this moment would wait for it for ever.
    func fork(children: Int) throws {
        let isOver = Flag()
        let running = Atomic<Int>(4)
        for thread in 0..<4 {
            Exerciser.onThread {
                var number = 0
                while !isOver.isSet {
                    log("parent \(thread) \(number)")
                    number += 1
                    // Or a machine that is slow would have the more to do the slower it is.
                    usleep(100)
                }
                running.subtract(1, ordering: .sequentiallyConsistent)
            }
        }
        while readLine() != nil {}
        for first in stride(from: 0, to: children, by: 3) {
            let processes = (first..<min(first + 3, children)).map { child in
                usleep(UInt32.random(in: 0..<3_000))
                return Self.inChild {
                    for number in 0..<20 { log("child \(child) \(number)") }
                    // The way out runs what was registered with atexit(3) too.
                    exit(7)
                }
            }
            for process in processes {
                var status: Int32 = 0
                waitpid(process, &status, 0)
                guard status == 7 << 8 else { Exerciser.fail("a child ended with the status \(status)", exitCode: 1) }
            }
        }
        isOver.set()
        while running.load(ordering: .sequentiallyConsistent) > 0 { usleep(1_000) }
        Exerciser.say("done")
    }

    /// Forks a child that logs once its parent is dead, and then as long as it has an input.
    func orphan() throws {
        log("parent")
        let parent = getpid()
        let child = Self.inChild {
            while getppid() == parent { usleep(1_000) }
            log("child")
            while readLine() != nil {}
            exit(0)
        }
        Exerciser.say("forked \(child)")
        while true { sleep(60) }
    }

    /// Forks a child that logs, while a thread is busy with the spool for longer than a fork waits; logs itself when it
    /// ends.
    func forkBusy() throws {
        let isBusy = Flag()
        Exerciser.onThread {
            ForkGate.pass {
                isBusy.set(); sleep(3_600)
            }
        }
        while !isBusy.isSet { usleep(1_000) }
        let child = Self.inChild {
            for number in 0..<3 { log("child \(number)") }
            exit(7)
        }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        log("parent")
        exit(status >> 8)
    }

    /// Swift does not let `fork()` be called by its name.
    static func inChild(_ body: () -> Never) -> pid_t {
        guard let symbol = dlsym(nil, "fork") else { Exerciser.fail("no fork in the C library", exitCode: 71) }
        let process = unsafeBitCast(symbol, to: (@convention(c) () -> pid_t).self)()
        if process == 0 {
            // Whatever it waits for, it does not outlive the test by long.
            alarm(120)
            body()
        }
        guard process > 0 else { Exerciser.fail("fork: \(String(cString: strerror(errno)))", exitCode: 71) }
        return process
    }
}

private final class Flag: Sendable {
    private let state = Atomic<Bool>(false)
    var isSet: Bool { state.load(ordering: .relaxed) }
    func set() { state.store(true, ordering: .relaxed) }
}
