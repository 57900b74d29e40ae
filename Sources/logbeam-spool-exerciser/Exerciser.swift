import Foundation
import LogbeamCore
import LogbeamSpool
import Synchronization

/// What the tests of the spool need a process of its own for: to kill it, to trace it, to race with it, to give it a
/// umask.
@main
enum Exerciser {
    static func main() throws {
        let arguments = CommandLine.arguments
        let path = arguments.count > 2 ? arguments[2] : ""
        let count = arguments.count > 3 ? Int(arguments[3]) ?? 0 : 0
        switch arguments.dropFirst().first {
        case "append": try appendForEver(to: path, threads: count)
        case "churn": try churn(path, records: count)
        case "renew": try renew(path, records: count)
        case "join": try join(path, records: count)
        case "hold": try hold(path)
        case "deliver": try deliver(path)
        case "stage": try stage(path, records: count)
        case "live": try ServiceExerciser(path).live(threads: count)
        case "fork": try ServiceExerciser(path).fork(children: count)
        case "orphan": try ServiceExerciser(path).orphan()
        case "busy": try ServiceExerciser(path).forkBusy()
        case "locked": try forkLocked(path)
        case "share": try forkSharing(path, children: count)
        case "leave": try ServiceExerciser.leave(path, records: count)
        case "wait": try ServiceExerciser.waitForSignal(path, records: count)
        case "log": try ServiceExerciser.log(to: path, records: count)
        default:
            fail(
                """
                usage: logbeam-spool-exerciser \
                append|churn|renew|join|hold|deliver|stage|live|fork|orphan|busy|locked|share|leave|wait|log SPOOL [COUNT]
                """,
                exitCode: 64
            )
        }
    }

    private static func stream(of spool: Spool) throws -> Int64 {
        try spool.streamID(for: Destination(logGroup: "group", logStream: "stream"))
    }

    private static func append(_ text: String, to spool: Spool, stream: Int64) throws -> Int64 {
        var text = text
        return try text.withUTF8 { message throws(SpoolError) in
            try spool.append(stream: stream, timestamp: WallClock.milliseconds(), message: message)
        }
    }

    /// Forks in the midst of a commit: what the child inherits stays locked. Ends like the child, with 0 if that was
    /// told so.
    private static func forkLocked(_ path: String) throws {
        let target = Mutex<(spool: Spool, stream: Int64)?>(nil)
        let child = Mutex<pid_t?>(nil)
        // Asked for with the lock held.
        var options = Spool.Options(commitTimeout: .milliseconds(200))
        options.freeSpace = { _ in
            guard let (spool, stream) = target.withLock({ $0.take() }) else { return .max }
            let forked = ServiceExerciser.inChild {
                do {
                    _ = try append("child", to: spool, stream: stream)
                } catch {
                    exit((error as? SpoolError)?.kind == .busy ? 0 : 2)
                }
                exit(1)
            }
            child.withLock { $0 = forked }
            return .max
        }
        let spool = try Spool(path: path, options: options)
        let stream = try stream(of: spool)
        target.withLock { $0 = (spool, stream) }
        _ = try append("parent", to: spool, stream: stream)
        var status: Int32 = -1
        if let child = child.withLock({ $0 }) { waitpid(child, &status, 0) }
        exit(status == 0 ? 0 : 1)
    }

    /// Forks while a thread makes journals, again and again. Fails if a child has one of their files open.
    private static func forkSharing(_ path: String, children: Int) throws {
        let spool = try LiveSpool(path: path, report: { say($0) })
        // Made beforehand: in a child another thread's locks stay taken, those of Foundation and of Swift's runtime too.
        let links = (0..<100).map { strdup("/proc/self/fd/\($0)") }
        let target = UnsafeMutablePointer<CChar>.allocate(capacity: 1_024)
        func hasJournal() -> Bool {
            for case let link? in links {
                let length = readlink(link, target, 1_023)
                target[max(0, length)] = 0
                if strstr(target, ".journal-") != nil { return true }
            }
            return false
        }
        if hasJournal() { fail("a journal is open", exitCode: 1) }
        for _ in 0..<children {
            let isMade = DispatchSemaphore(value: 0)
            let mayLetGo = DispatchSemaphore(value: 0)
            onThread {
                do {
                    let journals = try (0..<20).map { _ in try Journal(spool: spool) }
                    isMade.signal()
                    mayLetGo.wait()
                    withExtendedLifetime(journals) {}
                }
                // While they are let go, a child would have files that hold no lock any more.
                isMade.signal()
            }
            usleep(UInt32.random(in: 0..<3_000))
            let child = ServiceExerciser.inChild { _exit(hasJournal() ? 1 : 0) }
            var status: Int32 = -1
            waitpid(child, &status, 0)
            guard status == 0 else { fail("a child ended with the status \(status)", exitCode: 1) }
            isMade.wait()
            mayLetGo.signal()
            isMade.wait()
        }
    }

    /// Prints a line at once, as one write.
    static func say(_ line: some CustomStringConvertible) {
        FileHandle.standardOutput.write(Data("\(line)\n".utf8))
    }

    static func fail(_ message: String, exitCode: Int32) -> Never {
        FileHandle.standardError.write(Data("\(message)\n".utf8))
        exit(exitCode)
    }

    static func onThread(_ body: @escaping @Sendable () throws -> Void) {
        Thread.detachNewThread {
            do {
                try body()
            } catch {
                fail("\(error)", exitCode: 1)
            }
        }
    }

    /// Prints the id of each record when it is durable; the write-ahead log is emptied all the while.
    private static func appendForEver(to path: String, threads: Int) throws {
        let spool = try Spool(path: path)
        let stream = try stream(of: spool)
        for thread in 0..<threads {
            onThread {
                while true { say(try append("record of thread \(thread)", to: spool, stream: stream)) }
            }
        }
        let maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: path))
        while true { try maintenance.whileIdle { true } }
    }

    /// Appends on one thread, whose id it prints, and takes away on another, with all the upkeep of an uploader.
    private static func churn(_ path: String, records: Int) throws {
        let spool = try Spool(path: path)
        let stream = try stream(of: spool)
        onThread {
            // As /proc names it: PID/task/TID.
            let thread = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")
            say("appender \(thread.split(separator: "/").last ?? "")")
            let message = String(repeating: "m", count: 128)
            for _ in 0..<records { _ = try append(message, to: spool, stream: stream) }
        }
        guard let lease = try UploadLease.acquire(spool) else { fail("the lease is taken", exitCode: 1) }
        let reader = try SpoolReader(path: path)
        let maintenance = try SpoolMaintenance(spool: spool, reader: reader)
        var left = records
        while left > 0 {
            let headers = try reader.headers(after: 0, limit: 2_000).headers
            guard let first = headers.first, let last = headers.last else {
                try maintenance.whileIdle { true }
                continue
            }
            let latest = headers.map(\.timestamp).max() ?? 0
            let range = BatchRange(stream: stream, first: first.id, last: last.id, latest: latest)
            try lease.begin(range)
            try lease.acknowledge(range, refused: [], delivered: headers.count)
            try lease.finish(range)
            try maintenance.whileBusy()
            left -= headers.count
        }
        say("drained")
    }

    /// Appends on its only thread, with the id of each record when that is durable; at each third the log is copied, and so
    /// is begun anew by the next one.
    private static func renew(_ path: String, records: Int) throws {
        let spool = try Spool(path: path)
        let stream = try stream(of: spool)
        let maintenance = try SpoolMaintenance(spool: spool, reader: SpoolReader(path: path))
        let message = String(repeating: "m", count: 3_000)
        for number in 1...records {
            say(try append(message, to: spool, stream: stream))
            if number % 3 == 0 { try maintenance.whileFull() }
        }
    }

    /// Waits for the end of the input, so that many can be let go at once; then opens the spool and appends.
    private static func join(_ path: String, records: Int) throws {
        say("ready")
        while readLine() != nil {}
        let spool = try Spool(path: path)
        let stream = try stream(of: spool)
        for number in 0..<records { _ = try append("record \(number)", to: spool, stream: stream) }
        say("joined")
    }

    /// Keeps a spool and its lease, if it can be had, until the end of the input.
    private static func hold(_ path: String) throws {
        let spool = try Spool(path: path)
        _ = try append("held", to: spool, stream: stream(of: spool))
        let lease = try UploadLease.acquire(spool)
        say(lease == nil ? "taken" : "held")
        while readLine() != nil {}
        withExtendedLifetime((spool, lease)) {}
    }

    /// Begins all that is pending as one batch, and acknowledges and deletes it at the end of the input.
    private static func deliver(_ path: String) throws {
        let spool = try Spool(path: path)
        guard let lease = try UploadLease.acquire(spool) else { fail("the lease is taken", exitCode: 1) }
        let headers = try SpoolReader(path: path).headers(after: 0).headers
        guard let first = headers.first, let last = headers.last else { fail("nothing is pending", exitCode: 1) }
        let range = BatchRange(stream: first.stream, first: first.id, last: last.id, latest: .max)
        try lease.begin(range)
        say("begun")
        while readLine() != nil {}
        try lease.acknowledge(range, refused: [], delivered: headers.count)
        try lease.finish(range)
        say("deleted")
    }

    /// Appends to a journal, of which the first half is moved into the spool; prints the messages, and is killed at the
    /// end of the input.
    private static func stage(_ path: String, records: Int) throws {
        let spool = try LiveSpool(path: path, report: { say($0) })
        let journal = try Journal(spool: spool)
        let streams = ["stream", "stream-2"].map { LiveStream(Destination(logGroup: "group", logStream: $0)) }
        for number in 0..<records {
            var text = "record \(number) of \(getpid())"
            let isTaken = try text.withUTF8 { message in
                try journal.append(to: streams[number % 2], timestamp: WallClock.milliseconds(), message: message)
            }
            guard isTaken else { fail("the journal does not take a record", exitCode: 1) }
            say(text)
            if number == records / 2 { try journal.move() }
        }
        while readLine() != nil {}
        kill(getpid(), SIGKILL)
    }
}
