#if os(Linux)
package import Foundation

/// What keeps a process from starting more threads, whoever it runs as: there is no address space for their
/// stacks. For all else there is enough.
package struct ThreadLimit {
    private let process: pid_t

    /// Has a shell give the stack of a thread 256 MiB before it starts a program.
    package static let largeStacks = "ulimit -S -s \(stack >> 10)"
    /// In bytes, as what is left for all but stacks.
    private static let stack = 256 << 20
    private static let rest = 128 << 20

    /// - Parameters:
    ///   - process: one that was started after ``largeStacks``.
    ///   - threads: how many it can still start.
    package init(of process: pid_t, threads: Int = 0) throws {
        self.process = process
        let pages = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8).split(separator: " ").first
        guard let size = pages.flatMap({ Int($0) }) else { throw SystemError("statm", code: EINVAL) }
        try set(rlim_t(size * Int(getpagesize()) + Self.rest + threads * Self.stack))
    }

    package func lift() throws { try set(rlim_t.max) }

    private func set(_ limit: rlim_t) throws {
        // Glibc keeps prlimit from all but GNU sources.
        typealias Function =
            @convention(c) (pid_t, Int32, UnsafePointer<rlimit>, UnsafeMutablePointer<rlimit>?) -> Int32
        let limits = rlimit(rlim_cur: limit, rlim_max: rlim_t.max)
        let resource = Int32(RLIMIT_AS.rawValue)
        guard let symbol = dlsym(nil, "prlimit"),
            withUnsafePointer(to: limits, { unsafeBitCast(symbol, to: Function.self)(process, resource, $0, nil) }) == 0
        else { throw SystemError("prlimit") }
    }
}
#endif
