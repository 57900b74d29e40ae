/// The system calls by which a process changes what outlives it, by their numbers on this machine.
package struct SystemCall: Sendable, Hashable, CustomStringConvertible {
    package let name: String
    package let number: Int

    package var description: String { name }

    private init(_ name: String, x86: Int, other: Int) {
        self.name = name
        #if arch(x86_64)
        number = x86
        #else
        // include/uapi/asm-generic/unistd.h, as arm64 and all later ones have it.
        number = other
        #endif
    }

    /// Those that change files, and the names of files.
    package static let files = [
        SystemCall("pwrite64", x86: 18, other: 68), SystemCall("ftruncate", x86: 77, other: 46),
        SystemCall("fallocate", x86: 285, other: 47), SystemCall("fsync", x86: 74, other: 82),
        SystemCall("fdatasync", x86: 75, other: 83), link, unlink,
    ]
    private static let link = SystemCall("link", x86: 86, other: 37)
    private static let unlink = SystemCall("unlink", x86: 87, other: 35)

    /// Those of locks, shared memory, the network, and a program's reports.
    package static let others = [
        SystemCall("fcntl", x86: 72, other: 25), SystemCall("mmap", x86: 9, other: 222),
        SystemCall("openat", x86: 257, other: 56), SystemCall("close", x86: 3, other: 57),
        SystemCall("write", x86: 1, other: 64), SystemCall("sendto", x86: 44, other: 206),
        SystemCall("recvfrom", x86: 45, other: 207), SystemCall("connect", x86: 42, other: 203),
    ]
}

/// At which of its system calls a program is killed: see `logbeam-kill-at`.
package struct KillPoint: Sendable, Hashable, CustomStringConvertible {
    /// Which calls are counted; all where it is empty.
    package var calls: [SystemCall]
    /// Which of them it is, from 1; 0 for none.
    package var number: Int

    package init(_ calls: [SystemCall] = [], number: Int) {
        (self.calls, self.number) = (calls, number)
    }

    package var description: String {
        "\(number) of \(calls.isEmpty ? "all calls" : calls.map(\.name).joined(separator: ", "))"
    }

    /// What is put before a program and its arguments to have it killed there.
    package func command() throws -> [String] {
        let list = calls.isEmpty ? "any" : calls.map { String($0.number) }.joined(separator: ",")
        return [try BuiltProducts.executable("logbeam-kill-at"), list, "\(number)"]
    }
}

/// After which of its steps that change a shared file a program is killed: see `logbeam-kill-at`.
package struct StorePoint: Sendable, CustomStringConvertible {
    /// After which calls it goes by steps, from 1; if there are none, it is looked after which the file changes.
    package var calls: [Int]
    /// Which of the steps it is, from 1; 0 for none.
    package var number: Int

    package init(after calls: [Int] = [], number: Int = 0) {
        (self.calls, self.number) = (calls, number)
    }

    package var description: String { "\(number) after the calls \(calls)" }

    /// What is put before a program and its arguments to have it killed there.
    package func command(sharing file: String) throws -> [String] {
        let list = calls.isEmpty ? "any" : calls.map(String.init).joined(separator: ",")
        return [try BuiltProducts.executable("logbeam-kill-at"), "--shared", file, list, "\(number)"]
    }
}

/// What `logbeam-kill-at` said of the program it ran.
package struct TracedRun: Sendable {
    /// Whether it was killed at the chosen call, or after the chosen step; else it ended before that.
    package var wasKilled: Bool
    /// How many calls it had made, by their numbers; or how many steps after each call changed the shared file.
    package var counts: [Int: Int] = [:]

    /// Waits for the end of the program; throws if it ended badly by itself.
    package init(_ process: ChildProcess) throws {
        let exitCode = try process.wait(within: .seconds(120)).exitCode
        let lines = process.text(.standardError).split(separator: "\n").map { $0.split(separator: " ") }
        for words in lines where words.count == 3 && words[0] == "call" {
            counts[Int(words[1]) ?? -1] = Int(words[2])
        }
        guard exitCode == 0, let end = lines.last, end.first == "killed" || end == ["ended", "0"] else {
            throw ChildProcessError("logbeam-kill-at: \(process.text(.standardError))")
        }
        wasKilled = end.first == "killed"
    }

    package var total: Int { counts.values.reduce(0, +) }

    package func count(_ call: SystemCall) -> Int { counts[call.number, default: 0] }
}
