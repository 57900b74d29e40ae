#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// Gives every shipper a moment to send what it has when the process ends normally: by `exit()` or by returning from
/// `main`. A signal that kills the process runs nothing; then the records wait in the spool.
///
/// Where nobody has a shipper any more its end has come: it gets the same moment, of which the process waits at its own end
/// for what is left. So nothing depends on whether the variables of `main` are let go before that is told.
enum ExitFlush {
    private struct Entry {
        weak var shipper: LogShipper?
    }

    /// A shipper that nobody has any more, on its way to its end.
    private final class Ending: Sendable {
        /// In milliseconds of the monotonic clock.
        let deadline: Int64
        let isOver = Promise<Void>()
        /// A child has no thread that would bring its parent's to an end.
        private let forkNumber = ForkGate.number

        var isOurs: Bool { forkNumber == ForkGate.number }

        init(within timeout: Duration) {
            deadline = MonotonicClock.milliseconds() + timeout.milliseconds
        }
    }

    private struct State {
        var entries: [Entry] = []
        var endings: [Ending] = []
    }

    private static let state = Mutex(State())
    /// Registers with the C library once, when the first shipper is made.
    private static let atExit: Void = {
        atexit { ExitFlush.run() }
    }()

    static func register(_ shipper: LogShipper) {
        let configuration = shipper.configuration
        guard configuration.exitFlushTimeout > .zero || configuration.usesJournal else { return }
        _ = atExit
        withState { state in
            state.entries.removeAll { $0.shipper == nil }
            state.entries.append(Entry(shipper: shipper))
        }
    }

    /// Brings a shipper that nobody has any more to its end, on a thread that sends what is pending first.
    static func end(_ process: ShippingProcess, within timeout: Duration) {
        process.closeJournal()
        // Who was shut down has sent it already.
        guard timeout > .zero, !process.uploader.mailbox.isStopped else { return process.stop(waitingUntil: 0) }
        let ending = Ending(within: timeout)
        let isSent = process.uploader.requestFlush()
        withState { $0.endings.append(ending) }
        do throws(ThreadError) {
            try BackgroundThread.start(name: "logbeam-end") {
                if isSent.wait(until: ending.deadline) != true { process.tellOfRemainder() }
                process.stop(waitingUntil: ending.deadline)
                remove(ending)
            }
        } catch {
            process.stop(waitingUntil: 0)
            remove(ending)
        }
    }

    private static func remove(_ ending: Ending) {
        withState { state in state.endings.removeAll { $0 === ending } }
        ending.isOver.fulfill(())
    }

    /// All shippers flush at the same time; each has until its own deadline. What a journal holds is moved in any case.
    private static func run() {
        let (shippers, endings) = withState { state in
            (state.entries.compactMap(\.shipper), state.endings.filter(\.isOurs))
        }
        let start = MonotonicClock.milliseconds()
        for (shipper, isSent) in shippers.map({ ($0, $0.flushesAtExit ? $0.requestFlush() : nil) }) {
            let deadline = start + shipper.configuration.exitFlushTimeout.milliseconds
            if let isSent, isSent.wait(until: deadline) != true { shipper.tellOfRemainder() }
            shipper.stop(waitingUntil: deadline)
        }
        for ending in endings { _ = ending.isOver.wait(until: ending.deadline) }
    }

    /// A child must not find the lock taken by a thread that it does not have.
    private static func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        ForkGate.pass { state.withLock { body(&$0) } }
    }
}

extension LogShipper {
    fileprivate var flushesAtExit: Bool { configuration.exitFlushTimeout > .zero }
}
