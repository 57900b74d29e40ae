#if os(Linux)
internal import Glibc

/// Runs a program and kills it, all of its threads, at the moment when one of them is about to make a certain system call:
/// for the tests that go through all of them;
///
///     logbeam-kill-at CALLS NUMBER PROGRAM ARGUMENT...
///
/// or just after one of them has stored something in memory that it shares with other processes:
///
///     logbeam-kill-at --shared FILE CALLS NUMBER PROGRAM ARGUMENT...
///
/// `CALLS` are the numbers of system calls on this machine with commas between them, or `any`. They are counted together,
/// whatever thread makes them, from 1, beginning with the program's first instruction; the `NUMBER`th of them is not made.
/// (`strace --inject` counts those of each kind and each thread by themselves.) With 0 the program is only watched.
///
/// `FILE` is one that the program maps; its first 32 KiB are looked at. `CALLS` are here the calls after which it changes, by
/// their places among all that the program makes, from 1. From each of them to the next call the program goes by single steps;
/// those that change the file are counted together, from 1, and it ends after the `NUMBER`th of them. With `any` and 0 it goes
/// by calls alone, and it is only told after which of them the file had changed. The program must have one thread, or the
/// places would not be those of the next run.
///
/// Standard output is the program's. On standard error, after what the program wrote there, stands one line for each kind of
/// call that was made, `call NUMBER COUNT`, or with `--shared` for each call after which the file changed; and then how it
/// ended: `killed CALL`, or `ended STATUS` as waitpid(2) tells it.
/// The exit code is 0 if the program could be watched to its end, whatever that was.
@main
enum KillAt {
    static func main() {
        var arguments = CommandLine.arguments.dropFirst()
        var shared: SharedFile?
        if arguments.first == "--shared" {
            shared = arguments.dropFirst().first.map { SharedFile($0) }
            arguments = arguments.dropFirst(2)
        }
        guard arguments.count >= 3, let calls = arguments.popFirst(),
            let number = arguments.popFirst().flatMap({ Int($0) }),
            case let chosen = calls == "any" ? [] : calls.split(separator: ",").map({ UInt64($0) }),
            !chosen.contains(nil)
        else {
            fail("usage: logbeam-kill-at [--shared FILE] CALLS NUMBER PROGRAM ARGUMENT...", exitCode: 64)
        }
        var tracer = Tracer(calls: Set(chosen.compactMap { $0 }), number: number, shared: shared)
        let end = tracer.run(Array(arguments))
        say(tracer.report + "\(end)\n")
    }

    fileprivate static func fail(_ message: String, exitCode: Int32 = 70) -> Never {
        say(message + "\n")
        exit(exitCode)
    }

    private static func say(_ text: String) {
        var text = text
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// What the traced program shares with other processes: a file that it may cut off, or make anew.
private struct SharedFile {
    private static let size = 32_768

    private let path: String
    private let now = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    private let last = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)

    init(_ path: String) {
        self.path = path
        memset(last, 0, Self.size)
        _ = hasChanged()
    }

    /// Whether it is not what it was the last time. What is not there counts as zero.
    func hasChanged() -> Bool {
        memset(now, 0, Self.size)
        let file = open(path, O_RDONLY)
        if file >= 0 {
            _ = pread(file, now, Self.size, 0)
            close(file)
        }
        guard memcmp(now, last, Self.size) != 0 else { return false }
        last.copyMemory(from: now, byteCount: Self.size)
        return true
    }
}

private struct Tracer {
    enum End: CustomStringConvertible {
        /// At this call, or after it.
        case killed(UInt64)
        /// By itself, or by another; the status of waitpid(2).
        case ended(Int32)

        var description: String {
            switch self {
            case .killed(let call): "killed \(call)"
            case .ended(let status): "ended \(status)"
            }
        }
    }

    /// Which calls are counted, or stepped from; all where it is empty.
    private let calls: Set<UInt64>
    /// Which of them is not made, or which step is the last one.
    private let number: Int
    private let shared: SharedFile?
    /// How many calls of each kind were made; or after each call, how many changes of the shared file.
    private var counts: [UInt64: Int] = [:]
    private var counted = 0
    /// How many calls were begun.
    private var made: UInt64 = 0

    init(calls: Set<UInt64>, number: Int, shared: SharedFile?) {
        (self.calls, self.number, self.shared) = (calls, number, shared)
    }

    /// What was seen.
    var report: String {
        counts.sorted { $0.key < $1.key }.map { "call \($0.key) \($0.value)\n" }.joined()
    }

    mutating func run(_ command: [String]) -> End {
        if shared != nil { Self.stayOnCore() }
        let program = Self.start(command)
        var killedAt: UInt64?
        var threads: Set<pid_t> = [program]
        while true {
            var status: Int32 = 0
            // __WALL: threads are children of another kind (waitpid(2)).
            let thread = waitpid(-1, &status, 0x4000_0000)
            guard thread > 0 else {
                if errno == EINTR { continue }
                KillAt.fail("waitpid: \(String(cString: strerror(errno)))")
            }
            guard status & 0xff == 0x7f else {
                threads.remove(thread)
                // That of the first thread comes when no other is left.
                if thread == program { return killedAt.map { .killed($0) } ?? .ended(status) }
                continue
            }
            var signal = (status >> 8) & 0xff
            if signal == SIGTRAP | 0x80 {
                if killedAt == nil, let call = Self.enteredCall(of: thread), isLast(call) {
                    killedAt = call
                    // The kernel does not make the call then (kernel/entry/common.c, `syscall_trace_enter`).
                    kill(program, SIGKILL)
                }
                signal = 0
            } else if shared != nil, signal == SIGTRAP, status >> 16 == 0 {
                // That of one thread may come when another has ended the stepping.
                if killedAt == nil, isStepping, isLastStep() {
                    killedAt = made
                    kill(program, SIGKILL)
                }
                signal = 0
            } else if status >> 16 != 0 || threads.insert(thread).inserted && signal == SIGSTOP {
                // A thread was begun, and begins with a stop that is not the program's business; or the program was.
                signal = 0
            }
            // One that was killed meanwhile is not there any more: no error.
            let request = isStepping && !Self.isAtCall(thread) ? Request.step : .continueToCall
            _ = Self.ptrace(request, thread, 0, Int(signal))
        }
    }

    /// Takes note of a call that is about to be made. Returns whether it is the one.
    private mutating func isLast(_ call: UInt64) -> Bool {
        if let shared {
            if calls.isEmpty, shared.hasChanged() { counts[made] = 1 }
            made += 1
            return false
        }
        counts[call, default: 0] += 1
        guard calls.isEmpty || calls.contains(call) else { return false }
        counted += 1
        return counted == number
    }

    /// Whether the program is on its way from a chosen call to the next one.
    private var isStepping: Bool { shared != nil && calls.contains(made) }

    /// Takes note of a step. Returns whether it is the one.
    private mutating func isLastStep() -> Bool {
        guard shared?.hasChanged() == true else { return false }
        counts[made, default: 0] += 1
        counted += 1
        return counted == number
    }

    /// Keeps this program and what it starts on one core: to go from one to another and back takes longer than a step.
    private static func stayOnCore() {
        let currentCore: @convention(c) () -> Int32 = hidden("sched_getcpu")
        let setCores: @convention(c) (pid_t, Int, UnsafeRawPointer?) -> Int32 = hidden("sched_setaffinity")
        let core = Int(currentCore())
        guard core >= 0 else { return }
        var cores = [UInt64](repeating: 0, count: core / UInt64.bitWidth + 1)
        cores[core / UInt64.bitWidth] = 1 << UInt64(core % UInt64.bitWidth)
        _ = setCores(0, cores.count * MemoryLayout<UInt64>.stride, cores)
    }

    /// Starts the program, and returns when it is about to make its first instruction.
    private static func start(_ command: [String]) -> pid_t {
        let arguments = command.map { strdup($0) } + [nil]
        let program = fork()
        if program == 0 {
            _ = ptrace(.traceMe, 0, 0, 0)
            execv(command[0], arguments)
            _exit(71)
        }
        var status: Int32 = 0
        guard program > 0, waitpid(program, &status, 0) == program, status & 0xff == 0x7f else {
            KillAt.fail("\(command[0]) can not be run and traced")
        }
        // PTRACE_O_TRACESYSGOOD, PTRACE_O_TRACECLONE, PTRACE_O_TRACEEXEC, PTRACE_O_EXITKILL.
        guard ptrace(.setOptions, program, 0, 0x1 | 0x8 | 0x10 | 0x10_0000) == 0,
            ptrace(.continueToCall, program, 0, 0) == 0
        else {
            kill(program, SIGKILL)
            KillAt.fail("ptrace: \(String(cString: strerror(errno)))")
        }
        return program
    }

    /// The call that a thread is about to make; `nil` where it returns from one.
    private static func enteredCall(of thread: pid_t) -> UInt64? {
        // The kind in the first byte, 1 for an entry; the call's number from byte 24 on.
        whereabouts(of: thread) { $0[0] & 0xff == 1 ? $0[3] : nil }
    }

    /// Whether the next instruction of a thread is a system call: a single step would go over it without a word.
    private static func isAtCall(_ thread: pid_t) -> Bool {
        // The address of the instruction from byte 8 on.
        guard let address = whereabouts(of: thread, { $0[1] }) else { return false }
        let instruction = ptrace(.read, thread, Int(bitPattern: UInt(address)), 0)
        #if arch(x86_64)
        return instruction & 0xffff == 0x050f
        #else
        return instruction & 0xffff_ffff == 0xd400_0001
        #endif
    }

    /// What `struct ptrace_syscall_info` has of a thread that is stopped.
    private static func whereabouts(
        of thread: pid_t,
        _ body: (UnsafeMutableBufferPointer<UInt64>) -> UInt64?
    ) -> UInt64? {
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 16) { information in
            let size = information.count * MemoryLayout<UInt64>.stride
            guard ptrace(.getCall, thread, size, Int(bitPattern: information.baseAddress)) >= 24 else { return nil }
            return body(information)
        }
    }

    /// The requests of ptrace(2) that are made here, by their numbers in include/uapi/linux/ptrace.h.
    private enum Request: Int32 {
        case traceMe = 0
        case read = 1
        case step = 9
        case continueToCall = 24
        case setOptions = 0x4200
        case getCall = 0x420e
    }

    private static func ptrace(_ request: Request, _ thread: pid_t, _ address: Int, _ data: Int) -> Int {
        let function: @convention(c) (Int32, pid_t, Int, Int) -> Int = hidden("ptrace")
        return function(request.rawValue, thread, address, data)
    }

    /// This program has but one thread, so a fork of it may go on.
    private static func fork() -> pid_t {
        let function: @convention(c) () -> pid_t = hidden("fork")
        return function()
    }

    /// A function that Swift's Glibc does not have.
    private static func hidden<Function>(_ name: String) -> Function {
        guard let symbol = dlsym(nil, name) else { KillAt.fail("the C library has no \(name)") }
        return unsafeBitCast(symbol, to: Function.self)
    }
}
#else
@main
enum KillAt {
    static func main() { print("logbeam-kill-at needs Linux") }
}
#endif
