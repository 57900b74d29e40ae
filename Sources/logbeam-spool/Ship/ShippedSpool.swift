internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// A spool that is shipped, or would be if it could be opened: on a thread of its own, so that it holds up no other.
/// Thread-safe.
final class ShippedSpool: Sendable {
    /// How far it has come.
    enum Phase: Sendable {
        /// It is being opened for the first time.
        case opening
        /// It can not be opened, and is tried again.
        case unusable(SpoolError)
        case open(Uploader.Report)

        /// True once it was tried to open it, or to start a thread for that.
        var wasTried: Bool { if case .opening = self { false } else { true } }
    }

    private struct State {
        var hasThread = false
        var uploader: Uploader?
        var failure: SpoolError?
        /// When it was last tried to open it, in milliseconds of the monotonic clock.
        var lastTry = MonotonicClock.milliseconds()
        var isStopped = false
    }

    let path: String
    private let service: SharedService
    private let limits: BatchLimits
    private let state = Condition(State())
    /// What was last told of it: not to be told again each time that it can not be opened.
    private let lastTold = Mutex<String?>(nil)

    /// How long to wait before it is tried again to open it, in milliseconds.
    private static let retryInterval: Int64 = 1_000

    init(path: String, service: SharedService, limits: BatchLimits) {
        self.path = path
        self.service = service
        self.limits = limits
    }

    /// Starts its thread, if it has none. Where the system has none left, that is its trouble, until the next call.
    func start() {
        guard !state.read({ $0.hasThread }) else { return }
        do throws(ThreadError) {
            try BackgroundThread.start(name: "logbeam-upload") { [self] in run() }
            state.change { $0.hasThread = true }
        } catch {
            state.change { state in
                state.failure = SpoolError(.other, path: path, message: error.description)
                state.lastTry = MonotonicClock.milliseconds()
            }
        }
    }

    private func run() {
        while !state.read({ $0.isStopped }) {
            do throws(SpoolError) {
                let uploader = try open()
                let isStopped = state.change { state in
                    (state.uploader, state.failure) = (uploader, nil)
                    return state.isStopped
                }
                if isStopped { uploader.stop(waitingUntil: 0) }
                return uploader.run()
            } catch {
                state.change { $0.failure = error }
                let pause = MonotonicClock.milliseconds() + Self.retryInterval
                _ = state.wait(until: pause) { $0.isStopped ? true : nil }
                state.change { $0.lastTry = MonotonicClock.milliseconds() }
            }
        }
    }

    /// The spool is not made if it is missing: it would have the wrong owner.
    private func open() throws(SpoolError) -> Uploader {
        let mailbox = Mailbox()
        let spool = try LiveSpool(
            path: path,
            options: Spool.Options(create: false),
            report: { [weak self] line in self?.tell(line) },
            onReplacement: { _ in mailbox.wakeUp() }
        )
        return Uploader(spool: spool, mailbox: mailbox, service: service, limits: limits, losses: Losses())
    }

    private func tell(_ line: String) {
        let isNew = lastTold.withLock { last in
            defer { last = line }
            return last != line
        }
        if isNew { Ship.tell(line) }
    }

    // MARK: From other threads

    var phase: Phase {
        let (uploader, failure) = state.read { ($0.uploader, $0.failure) }
        if let uploader { return .open(uploader.report) }
        return failure.map { .unusable($0) } ?? .opening
    }

    /// When its thread last showed that it goes on, in milliseconds of the monotonic clock.
    var lastTurn: Int64 {
        let (uploader, lastTry) = state.read { ($0.uploader, $0.lastTry) }
        return uploader?.report.lastTurn ?? lastTry
    }

    /// Whether this process has the lease of the spool, or is about to know.
    var isOurs: Bool {
        if case .open(let report) = phase { report.holdsLease != false } else { false }
    }

    /// Whether it was opened.
    var isOpen: Bool { if case .open = phase { true } else { false } }

    /// Whether it can be let go, its file being gone: nothing is pending in what is open, another process sees to it, or
    /// nobody can.
    var isDone: Bool {
        switch phase {
        case .open(let report): report.isEmpty || report.holdsLease == false || report.hasNotBegun
        case .opening, .unusable: true
        }
    }

    /// Asks for everything to be sent now, also by streams that wait to try again; `nil` if it is not open.
    @discardableResult
    func requestFlush() -> Promise<Bool>? {
        state.read { $0.uploader }?.requestFlush()
    }

    /// Asks the thread to end, and waits for that until a deadline in milliseconds of the monotonic clock.
    func stop(waitingUntil deadline: Int64) {
        let uploader = state.change { state in
            state.isStopped = true
            return state.uploader
        }
        uploader?.stop(waitingUntil: deadline)
    }

    // MARK: After its end

    /// What remains in a spool.
    enum Remainder {
        case records
        /// It can not be read, so that nobody knows.
        case unknown
        /// It must not be opened: see ``SpoolSafety``.
        case refused
    }

    /// `nil` if nothing remains in it, or it never was there.
    var remainder: Remainder? {
        do throws(SpoolError) {
            return try SpoolReader(path: path).hasRecords(through: .max) ? .records : nil
        } catch {
            switch error.kind {
            case .missing where !isOpen: return nil
            case .notASpool where !isOpen && SpoolSize.of(path: path).total == 0: return nil
            case .unsafe where !isOpen: return .refused
            default: return .unknown
            }
        }
    }
}
