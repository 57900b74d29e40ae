#if os(Linux)
internal import Glibc

/// Runs a program and kills it, all of its threads, at the moment when one of them is about to make a certain system call:
/// for the tests that go through all of them.
///
///     logbeam-kill-at CALLS NUMBER PROGRAM ARGUMENT...
///
/// `CALLS` are the numbers of system calls on this machine with commas between them, or `any`. They are counted together,
/// whatever thread makes them, from 1, beginning with the program's first instruction; the `NUMBER`th of them is not made.
/// (`strace --inject` counts those of each kind and each thread by themselves.) With 0 the program is only watched.
///
/// Standard output is the program's. On standard error, after what the program wrote there, stands one line for each kind of
/// call that was made, `call NUMBER COUNT`; and then how it ended: `killed CALL`, or `ended STATUS` as waitpid(2) tells it.
/// The exit code is 0 if the program could be watched to its end, whatever that was.
@main
enum KillAt {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let number = Int(arguments[2]),
            case let chosen = arguments[1] == "any" ? [] : arguments[1].split(separator: ",").map({ UInt64($0) }),
            !chosen.contains(nil)
        else {
            fail("usage: logbeam-kill-at CALLS NUMBER PROGRAM ARGUMENT...", exitCode: 64)
        }
        var tracer = Tracer(calls: Set(chosen.compactMap { $0 }), number: number)
        let end = tracer.run(Array(arguments.dropFirst(3)))
        let calls = tracer.counts.sorted { $0.key < $1.key }.map { "call \($0.key) \($0.value)\n" }.joined()
        say(calls + "\(end)\n")
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

private struct Tracer {
    enum End: CustomStringConvertible {
        /// At this call.
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

    /// Which calls are counted; all where it is empty.
    let calls: Set<UInt64>
    /// Which of them is not made.
    let number: Int
    private(set) var counts: [UInt64: Int] = [:]
    private var counted = 0

    init(calls: Set<UInt64>, number: Int) {
        (self.calls, self.number) = (calls, number)
    }

    mutating func run(_ command: [String]) -> End {
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
                if killedAt == nil, let call = Self.enteredCall(of: thread) {
                    counts[call, default: 0] += 1
                    if calls.isEmpty || calls.contains(call) {
                        counted += 1
                        if counted == number {
                            killedAt = call
                            // The kernel does not make the call then (kernel/entry/common.c, `syscall_trace_enter`).
                            kill(program, SIGKILL)
                        }
                    }
                }
                signal = 0
            } else if status >> 16 != 0 || threads.insert(thread).inserted && signal == SIGSTOP {
                // A thread was begun, and begins with a stop that is not the program's business; or the program was.
                signal = 0
            }
            // One that was killed meanwhile is not there any more: no error.
            _ = Self.ptrace(.continueToCall, thread, 0, Int(signal))
        }
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
        // struct ptrace_syscall_info: the kind in the first byte, 1 for an entry; the call's number from byte 24 on.
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 16) { information in
            let bytes = UnsafeMutableRawBufferPointer(information)
            guard ptrace(.getCall, thread, bytes.count, Int(bitPattern: bytes.baseAddress)) >= 32 else { return nil }
            return bytes[0] == 1 ? information[3] : nil
        }
    }

    /// The requests of ptrace(2) that are made here, by their numbers in include/uapi/linux/ptrace.h.
    private enum Request: Int32 {
        case traceMe = 0
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
