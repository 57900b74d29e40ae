#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Runs a program for what it prints.
enum CommandOutput {
    /// Why there is no output.
    struct Failure: Error, Equatable, CustomStringConvertible {
        var description: String
        /// Whether it may go better another time.
        var isPassing = false
    }

    /// A program that asks a service far away, or starts a virtual machine of its own, is done by then.
    static let timeLimit = Duration.seconds(60)
    static let byteLimit = CredentialsAnswer.byteLimit

    /// Runs a program, found as `PATH` says, to its end and returns its standard output. It gets nothing to read, none
    /// of this process's descriptors, and its signals as they are by default. It is killed, with those that it has
    /// started, if it runs too long, prints too much, or `isCancelled` says so. Blocks.
    ///
    /// - Parameter isCancelled: asked every tenth of a second.
    static func of(
        _ words: [String],
        environment: ProcessEnvironment,
        timeLimit: Duration = timeLimit,
        isCancelled: () -> Bool
    ) throws(Failure) -> [UInt8] {
        let (reading, writing) = try makePipe()
        defer { close(reading) }
        let process: pid_t
        do throws(Failure) {
            process = try spawn(words, environment: environment, output: writing)
            close(writing)
        } catch {
            close(writing)
            throw error
        }
        var isOver = false
        defer {
            if !isOver {
                kill(-process, SIGKILL)
                _ = wait(for: process, 0)
            }
        }
        let deadline = ContinuousClock.now + timeLimit
        func check() throws(Failure) {
            if isCancelled() { throw Failure(description: "it was broken off", isPassing: true) }
            if ContinuousClock.now >= deadline {
                throw Failure(
                    description: "it takes longer than \(timeLimit.components.seconds) seconds",
                    isPassing: true
                )
            }
        }
        let output = try collect(reading, check)
        var status: Int32?
        while true {
            status = wait(for: process, WNOHANG)
            if status != Self.running { break }
            try check()
            poll(nil, 0, 5)
        }
        isOver = true
        // Whoever uses this library may reap every child itself; then nobody knows, and the output has to tell.
        guard let status, status != 0 else { return output }
        let signal = status & 0x7f
        throw Failure(
            description: signal == 0
                ? "it ends with exit code \(status >> 8 & 0xff)" : "it is killed by signal \(signal)"
        )
    }

    /// No status that `waitpid` gives.
    private static let running = Int32.min

    /// What `waitpid` says of this one child: ``running``, its status, or `nil` if somebody else has reaped it.
    private static func wait(for process: pid_t, _ options: Int32) -> Int32? {
        var status: Int32 = 0
        while true {
            let result = waitpid(process, &status, options)
            if result == process { return status }
            if result == 0 { return running }
            if errno != EINTR { return nil }
        }
    }

    private static func collect(_ descriptor: Int32, _ check: () throws(Failure) -> Void) throws(Failure) -> [UInt8] {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            try check()
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, 100)
            if ready == 0 || (ready < 0 && errno == EINTR) { continue }
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { return output }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("its output cannot be read", errno)
            }
            guard output.count + count <= byteLimit else {
                throw Failure(description: "it prints more than \(byteLimit) bytes")
            }
            output += chunk[..<count]
        }
    }
}

extension CommandOutput.Failure {
    fileprivate static func system(_ what: String, _ code: Int32) -> Self {
        Self(description: "\(what): \(String(cString: strerror(code)))", isPassing: code == EMFILE || code == ENFILE)
    }
}

extension CommandOutput {
    /// Both ends are closed in programs that other threads start meanwhile: one that kept the end for writing would keep the
    /// output from ever ending. `pipe2`, which does that at once, <unistd.h> keeps from all but GNU sources.
    private static func makePipe() throws(Failure) -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        typealias Function = @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32
        if let symbol = dlsym(nil, "pipe2") {
            let code = unsafeBitCast(symbol, to: Function.self)(&ends, O_CLOEXEC)
            guard code == 0 else { throw .system("no pipe", errno) }
        } else {
            guard pipe(&ends) == 0 else { throw .system("no pipe", errno) }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        return (ends[0], ends[1])
    }

    private static func spawn(
        _ words: [String],
        environment: ProcessEnvironment,
        output: Int32
    ) throws(Failure) -> pid_t {
        #if os(Linux)
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #else
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }

        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // Of its own group, so that all that it starts can be ended with it.
        var flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP
        #if os(Linux)
        closeOthers(&actions)
        #else
        flags |= POSIX_SPAWN_CLOEXEC_DEFAULT
        #endif
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var process = pid_t()
        let code = withCStrings(words) { arguments in
            withCStrings(environment.lines) { environment in
                posix_spawnp(&process, words[0], &actions, &attributes, arguments, environment)
            }
        }
        guard code == 0 else { throw .system("it cannot be started", code) }
        return process
    }

    #if os(Linux)
    /// `posix_spawn_file_actions_addclosefrom_np` (glibc 2.34), which <spawn.h> keeps from all but GNU sources. Where it is
    /// missing, what is not marked to be closed on exec stays open; of this library that is what libcurl wakes itself with.
    private static func closeOthers(_ actions: inout posix_spawn_file_actions_t) {
        typealias Function = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
        guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
        _ = unsafeBitCast(symbol, to: Function.self)(&actions, 3)
    }
    #endif

    private static func withCStrings<Result>(
        _ strings: [String],
        _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = strings.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        return body(pointers + [nil])
    }
}
