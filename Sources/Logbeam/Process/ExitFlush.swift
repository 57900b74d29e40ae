#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import LogbeamSpool
internal import Synchronization

/// Gives every shipper a moment to send what it has when the process ends normally: by `exit()` or by returning from
/// `main`. A signal that kills the process runs nothing; then the records wait in the spool.
enum ExitFlush {
    private struct Entry {
        weak var shipper: LogShipper?
    }

    private static let entries = Mutex<[Entry]>([])
    /// Registers with the C library once, when the first shipper is made.
    private static let atExit: Void = {
        atexit { ExitFlush.run() }
    }()

    static func register(_ shipper: LogShipper) {
        let configuration = shipper.configuration
        guard configuration.exitFlushTimeout > .zero || configuration.usesJournal else { return }
        _ = atExit
        // A child must not find the lock taken by a thread that it does not have.
        ForkGate.pass {
            entries.withLock { entries in
                entries.removeAll { $0.shipper == nil }
                entries.append(Entry(shipper: shipper))
            }
        }
    }

    /// All shippers flush at the same time; each has until its own deadline. What a journal holds is moved in any case.
    private static func run() {
        let shippers = ForkGate.pass { entries.withLock { $0.compactMap(\.shipper) } }
        let start = MonotonicClock.milliseconds()
        for (shipper, isSent) in shippers.map({ ($0, $0.flushesAtExit ? $0.requestFlush() : nil) }) {
            let deadline = start + shipper.configuration.exitFlushTimeout.milliseconds
            _ = isSent?.wait(until: deadline)
            shipper.stop(waitingUntil: deadline)
        }
    }
}

extension LogShipper {
    fileprivate var flushesAtExit: Bool { configuration.exitFlushTimeout > .zero }
}
