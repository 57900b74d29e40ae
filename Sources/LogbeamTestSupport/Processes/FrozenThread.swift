#if os(Linux)
package import Foundation

/// One thread of a child process that is stopped while its others go on, by ptrace(2): a thread that hangs.
///
/// For one thread of the tests: who has stopped it must let it go.
package final class FrozenThread {
    private let thread: pid_t

    /// - Parameter name: as `/proc` has it in `comm`; the process must have a thread that is called so.
    package init(named name: String, of process: pid_t) throws {
        let tasks = "/proc/\(process)/task"
        let found = try FileManager.default.contentsOfDirectory(atPath: tasks).first { thread in
            (try? String(contentsOfFile: "\(tasks)/\(thread)/comm", encoding: .utf8)) == name + "\n"
        }
        guard let thread = found.flatMap({ pid_t($0) }) else { throw SystemError("no thread \(name)", code: ESRCH) }
        self.thread = thread
        // PTRACE_SEIZE, PTRACE_INTERRUPT (include/uapi/linux/ptrace.h).
        guard Self.ptrace(0x4206, thread) == 0, Self.ptrace(0x4207, thread) == 0 else { throw SystemError("ptrace") }
        var status: Int32 = 0
        // __WALL
        guard retryingInterrupts({ Int(waitpid(thread, &status, 0x4000_0000)) }) == Int(thread) else {
            throw SystemError("waitpid")
        }
    }

    /// Lets it go on.
    package func thaw() {
        // PTRACE_DETACH
        _ = Self.ptrace(17, thread)
    }

    private static func ptrace(_ request: Int32, _ thread: pid_t) -> Int {
        guard let symbol = dlsym(nil, "ptrace") else { return -1 }
        let function = unsafeBitCast(symbol, to: (@convention(c) (Int32, pid_t, Int, Int) -> Int).self)
        return function(request, thread, 0, 0)
    }
}
#endif
