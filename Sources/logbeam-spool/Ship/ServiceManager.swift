internal import LogbeamSpool
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Tells whoever has started this process how it stands, by the protocol of sd_notify(3): lines of `NAME=value` in a
/// datagram to the socket that `NOTIFY_SOCKET` names. Where nobody listens, nothing happens. Thread-safe.
final class ServiceManager: Sendable {
    /// How long the manager waits for a sign of life, in milliseconds; `nil` if it expects none.
    let watchdog: Int64?
    private let address: [UInt8]?
    private let descriptor: Int32
    private let lastStatus = Mutex("")

    /// By what the variables of the environment say, see sd_notify(3) and sd_watchdog_enabled(3).
    ///
    /// - Parameter environment: yields the value of a variable.
    init(environment: (String) -> String?) {
        var address = environment("NOTIFY_SOCKET").flatMap(Self.address)
        descriptor = address == nil ? -1 : Self.openSocket()
        if descriptor < 0 { address = nil }
        self.address = address
        watchdog = address == nil ? nil : Self.watchdog(environment)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Reads the variables and takes them away, so that no program which this one starts speaks in its name. To be called
    /// before there are other threads.
    static func takeFromEnvironment() -> ServiceManager {
        let manager = ServiceManager { getenv($0).map { String(cString: $0) } }
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] { unsetenv(name) }
        return manager
    }

    /// The time in `WATCHDOG_USEC`, if it is meant for this process; a microsecond at least is a millisecond here.
    private static func watchdog(_ environment: (String) -> String?) -> Int64? {
        guard let microseconds = environment("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0 else {
            return nil
        }
        if let process = environment("WATCHDOG_PID"), process != "\(getpid())" { return nil }
        return max(1, microseconds / 1_000)
    }

    // MARK: What is told

    func tellReady() { send("READY=1") }

    /// The time tells systemd which of several reloads it is.
    func tellReloading() { send("RELOADING=1\nMONOTONIC_USEC=\(MonotonicClock.nanoseconds() / 1_000)") }

    func tellStopping() { send("STOPPING=1") }

    func tellAlive() { send("WATCHDOG=1") }

    /// One line for people, which is told when it has changed.
    func tellStatus(_ status: String) {
        let isNews = lastStatus.withLock { last in
            defer { last = status }
            return last != status
        }
        if isNews { send("STATUS=\(status.printable)") }
    }

    private func send(_ text: String) {
        guard let address else { return }
        let bytes = Array(text.utf8)
        // What does not get through is lost: the manager is gone, or takes nothing for a second.
        address.withUnsafeBytes { address in
            guard let start = address.baseAddress else { return }
            _ = sendto(
                descriptor,
                bytes,
                bytes.count,
                noSignal,
                start.assumingMemoryBound(to: sockaddr.self),
                socklen_t(address.count)
            )
        }
    }

    // MARK: The socket

    /// The bytes of the `sockaddr_un` for a path, or for an abstract name that begins with `@` (unix(7)). `nil` for what is
    /// neither, or too long: then nobody is told.
    static func address(_ name: String) -> [UInt8]? {
        let isAbstract = name.hasPrefix("@")
        guard isAbstract || name.hasPrefix("/"), name.utf8.count > 1, !name.utf8.contains(0) else { return nil }
        var address = sockaddr_un()
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard name.utf8.count < capacity else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        let head = MemoryLayout<sockaddr_un>.size - capacity
        let bytes = withUnsafeBytes(of: address) { Array($0.prefix(head)) }
        // A path ends with a zero; an abstract name begins with one, and its length is that of the address.
        return bytes + (isAbstract ? [0] + Array(name.utf8.dropFirst()) : Array(name.utf8) + [0])
    }

    private static func openSocket() -> Int32 {
        #if os(Linux)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
        let descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        if descriptor >= 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        return descriptor
    }
}

#if os(Linux)
private let noSignal = Int32(MSG_NOSIGNAL)
#else
private let noSignal: Int32 = 0
#endif
