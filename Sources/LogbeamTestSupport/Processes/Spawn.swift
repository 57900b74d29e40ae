package import Foundation

/// The two ends of a pipe, closed with their owner unless they were taken.
final class Pipe {
    private(set) var reading: Int32
    private(set) var writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError("pipe") }
        (reading, writing) = (ends[0], ends[1])
        keepFromChildren(reading)
        keepFromChildren(writing)
    }

    deinit {
        if reading >= 0 { close(reading) }
        if writing >= 0 { close(writing) }
    }

    /// Has room for a mebibyte, the most that anybody may ask for (pipe(7)): a program that gives up what nobody reads
    /// within a tenth of a second gives up nothing because the tests have many other threads.
    func enlarge() {
        #if os(Linux)
        // F_SETPIPE_SZ, which Glibc keeps from all but GNU sources.
        _ = fcntl(writing, 1031, 1 << 20)
        #endif
    }

    func takeReading() -> Int32 {
        defer { reading = -1 }
        return reading
    }

    func takeWriting() -> Int32 {
        defer { writing = -1 }
        return writing
    }
}

#if os(Linux)
typealias FileActions = posix_spawn_file_actions_t
#else
typealias FileActions = posix_spawn_file_actions_t?
#endif

/// Runs a program with the given descriptors as 0, 1 and 2, no other ones, and the signals at their defaults.
package func spawn(
    _ executable: String,
    arguments: [String],
    environment: [String: String],
    descriptors: [Int32]
) throws -> pid_t {
    try spawn(executable, arguments: arguments, environment: environment, flags: 0) { actions in
        for (number, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
        }
    }
}

/// Runs a program in a session of its own, which a terminal controls, with that as 0, 1 and 2.
func spawn(
    _ executable: String,
    arguments: [String],
    environment: [String: String],
    terminal: String
) throws -> pid_t {
    // glibc 2.26, and kept from all but GNU sources; macOS has another value.
    #if os(Linux)
    let newSession: Int32 = 0x80
    #else
    let newSession = POSIX_SPAWN_SETSID
    #endif
    return try spawn(executable, arguments: arguments, environment: environment, flags: newSession) { actions in
        // The first terminal that the head of a session opens controls it
        // (setsid(2)), and the session is made before the file actions run.
        posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
    }
}

private func spawn(
    _ executable: String,
    arguments: [String],
    environment: [String: String],
    flags further: Int32,
    adding addActions: (inout FileActions) -> Void
) throws -> pid_t {
    #if os(Linux)
    var actions = FileActions()
    var attributes = posix_spawnattr_t()
    #else
    var actions: FileActions
    var attributes: posix_spawnattr_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }

    addActions(&actions)
    var flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | further
    #if os(Linux)
    try closeFrom(&actions, 3)
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
    let code = withCStrings([executable] + arguments) { arguments in
        withCStrings(environment.merging(sanitizerOptions) { given, _ in given }.map { "\($0)=\($1)" }) { environment in
            posix_spawn(&process, executable, &actions, &attributes, arguments, environment)
        }
    }
    guard code == 0 else { throw SystemError("posix_spawn of \(executable)", code: code) }
    return process
}

/// What the sanitizers were told, where the tests are built with one: so are the programs that they run.
private let sanitizerOptions = ProcessInfo.processInfo.environment.filter {
    ["ASAN_OPTIONS", "TSAN_OPTIONS"].contains($0.key)
}

#if os(Linux)
/// `posix_spawn_file_actions_addclosefrom_np` (glibc 2.34), which <spawn.h> keeps from all but GNU sources.
///
/// To close on exec is not enough: another thread may spawn between the making of a descriptor and its marking.
private func closeFrom(_ actions: inout FileActions, _ first: Int32) throws {
    typealias Function = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
    let name = "posix_spawn_file_actions_addclosefrom_np"
    guard let symbol = dlsym(nil, name) else { throw ChildProcessError("no \(name) in the C library") }
    let code = unsafeBitCast(symbol, to: Function.self)(&actions, first)
    guard code == 0 else { throw SystemError(name, code: code) }
}
#endif

/// Blocks until a child has ended; it remains a zombie, so that its number is not given away.
func waitUntilEnded(_ process: pid_t) {
    var information = siginfo_t()
    _ = retryingInterrupts { waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) }
}

/// Takes away a child, once it has ended.
package func reap(_ process: pid_t) -> ChildProcess.Termination {
    var status: Int32 = 0
    var usage = rusage()
    _ = retryingInterrupts { wait4(process, &status, 0, &usage) }
    func duration(_ time: timeval) -> Duration { .seconds(time.tv_sec) + .microseconds(time.tv_usec) }
    // The macros of <sys/wait.h>, which Swift does not import.
    let signal = status & 0x7f
    #if os(Linux)
    let unit = 1024
    #else
    let unit = 1
    #endif
    return ChildProcess.Termination(
        exitCode: signal == 0 ? (status >> 8) & 0xff : nil,
        signal: signal == 0 ? nil : signal,
        cpuTime: duration(usage.ru_utime) + duration(usage.ru_stime),
        peakResidentBytes: Int(usage.ru_maxrss) * unit
    )
}

/// Lets a write to a pipe that nobody reads fail with EPIPE, and neither kill the tests nor change their signals.
func withoutBrokenPipeSignal<Result>(_ body: () throws -> Result) rethrows -> Result {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    var previous = sigset_t()
    pthread_sigmask(SIG_BLOCK, &signals, &previous)
    defer {
        // The signal of a failed write is pending for this thread alone: take it, or it comes with the old mask.
        var pending = sigset_t()
        sigpending(&pending)
        var taken: Int32 = 0
        if sigismember(&pending, SIGPIPE) == 1 { sigwait(&signals, &taken) }
        pthread_sigmask(SIG_SETMASK, &previous, nil)
    }
    return try body()
}

private func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { pointers.forEach { free($0) } }
    return body(pointers + [nil])
}
