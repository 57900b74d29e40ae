internal import CSQLite

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import Synchronization

/// Who may write to the spool, one thread at a time; and how the records of many threads share a commit.
///
/// A commit costs ten times what one more record in it does. So a thread that finds the lock taken leaves its record in
/// one of 64 seats, and whoever has the lock commits what it finds there together with its own ("flat combining":
/// Hendler, Incze, Shavit, Tzafrir, SPAA 2010).
///
/// ## What becomes of a record
///
///     waiting ──┬── withdrawn   by its own thread: to commit it itself, or to give up at its deadline
///               └── taken ──┬── committed   with others, under the id in the seat
///                           └── alone       the transaction was undone; its own thread commits it by itself
///
/// A record is waiting while its seat's bit in `waiting` is set. To clear the bit is to withdraw it, or to take it: one
/// thread alone can do that, so a record that was given up is seen by nobody, and one that is taken is not given up.
/// Only the thread that has the lock takes records, and it says what became of them before it lets go of the lock.
///
/// They are taken once SQLite's write lock is held. While the thread that has our lock still waits for another process,
/// the others can withdraw, each at its own deadline; afterwards nothing is waited for but a commit.
///
/// Where a transaction is undone, for whatever reason, each of its records is committed by its own thread, in what is
/// left of its time, and that fails or not as if there had been no others.
///
/// ## Nobody sleeps for ever
///
/// While a record is waiting, some thread that is awake will look after it: the one that has the lock, one in
/// ``TimedLock/lock(until:)``, or that of a waiting record. When it goes, it does ``passOn()``: it wakes the thread of a
/// waiting record if that sleeps. And a thread that is about to sleep says so first, and then tries the lock once more:
/// either it gets it, or whoever lets go of it afterwards finds the thread asleep.
///
/// ## Everybody has a turn
///
/// Who has the lock commits one round of waiting records, limited in number and bytes, and lets go. Other writes, those
/// of the uploader, go before waiting records, and commit a round of them before they let go. But a thread that
/// waits alone does not sleep while the lock is free, whoever may have been woken to take it: the system may take
/// milliseconds to run that thread.
///
/// A process made by `fork()` opens a spool of its own: the queue that it inherits stays locked, see ``ForkGate``.
// @unchecked: the rest is atomic, or touched only under the lock, or, in a seat, by whoever has the record in it.
final class CommitQueue: @unchecked Sendable {
    private let path: String
    private let lock: TimedLock
    // Only touched with the lock held.
    private let writer: Writer
    /// The seat with which the next round begins. Only touched with the lock held.
    private var nextSeat = 0

    // At an address that does not change: threads look at each other's seats. Each of them holds the queue meanwhile.
    private let seats: UnsafeMutablePointer<Seat>
    /// The records of a round, and one of the thread that has the lock. Only touched with the lock held.
    private let round: UnsafeMutablePointer<NewRecord>
    /// A bit for each seat that is not in use.
    private let free = Atomic<UInt64>(.max)
    /// A bit for each seat whose record is waiting.
    private let waiting = Atomic<UInt64>(0)
    /// How many records the last commit had: about as many threads are going to come back.
    private let crowd = Atomic<Int>(1)
    /// Whether somebody has the lock who commits no record of its own: see ``write(until:_:)``.
    private let isInUse = Atomic<Bool>(false)
    /// The core on which the lock was taken last; -1 if it is not known.
    private let lastCore = Atomic<Int32>(-1)
    /// How many times the lock was let go.
    private let turns = Atomic<Int>(0)

    private static let seatCount = UInt64.bitWidth
    /// A round takes no further record once it has this many bytes, so that no thread waits for a commit of much more
    /// than a megabyte and the longest of messages.
    private static let roundBytes = 1 << 20
    /// How long SQLite's lock is waited for at most, in nanoseconds; the greatest number: as long as this one.
    let busyTimeout: Atomic<UInt64>
    private let times: WaitingTimes
    private let currentCore: @Sendable () -> Int32
    /// For how long a thread pauses that has let others wait, in nanoseconds.
    private static let pause: UInt64 = 20_000
    /// To keep the only core would keep it from whoever has the lock.
    private static let hasSeveralCores = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1

    /// - Parameter currentCore: the core that the calling thread runs on; -1 if that is not known.
    init(
        lock: TimedLock,
        writer: Writer,
        busyTimeout: UInt64 = .max,
        times: WaitingTimes = WaitingTimes(),
        currentCore: @escaping @Sendable () -> Int32 = { logbeam_current_core() }
    ) {
        path = writer.connection.canonicalPath
        self.lock = lock
        self.writer = writer
        self.busyTimeout = Atomic(busyTimeout)
        self.times = times
        self.currentCore = currentCore
        seats = .allocate(capacity: Self.seatCount)
        for index in 0..<Self.seatCount { (seats + index).initialize(to: Seat()) }
        round = .allocate(capacity: 1 + Self.seatCount)
    }

    deinit {
        seats.deinitialize(count: Self.seatCount)
        seats.deallocate()
        round.deallocate()
    }

    /// How many records are there to be taken now.
    var waitingRecords: Int { waiting.load(ordering: .relaxed).nonzeroBitCount }
    /// Whether a thread waits for whoever has the lock.
    var isAwaited: Bool { waitingRecords > 0 || lock.hasWaiters }
    /// How many threads sleep because of theirs.
    var sleepingThreads: Int { (0..<Self.seatCount).count { seats[$0].state.load(ordering: .relaxed) == .asleep } }

    // MARK: Any write

    /// Runs `body` with the lock held. Both the lock and SQLite's are waited for until the deadline.
    func write<Result>(
        until deadline: UInt64,
        _ body: (Writer) throws(SpoolError) -> Result
    ) throws(SpoolError) -> Result {
        try waitForLock(until: deadline)
        lastCore.store(currentCore(), ordering: .relaxed)
        isInUse.store(true, ordering: .releasing)
        var sleepers: UInt64 = 0
        defer {
            let hasLetWait = waitingRecords > 0
            // Where this fails, the records are waiting still, or their threads know.
            if hasLetWait { _ = try? commitRound(with: nil, waking: &sleepers) }
            isInUse.store(false, ordering: .releasing)
            letGo(waking: sleepers)
            // Theirs may be the core that this thread runs on, and would go on running on until the next tick.
            if hasLetWait { MonotonicClock.sleep(nanoseconds: Self.pause) }
        }
        setBusyDeadline(deadline)
        return try body(writer)
    }

    // MARK: A record

    /// Commits a record and returns its id. If it throws, the record is not in the spool, and never will be.
    ///
    /// Locks are waited for until the deadline, in nanoseconds of ``MonotonicClock``. What may come on top is a commit,
    /// or three if the first is undone: its own, and those that it makes for others.
    func append(_ record: NewRecord, until deadline: UInt64) throws(SpoolError) -> Int64 {
        if crowd.load(ordering: .relaxed) <= 1, tryLock() { return try commit(record, until: deadline) }
        guard let index = takeSeat() else {
            try waitForLock(until: deadline)
            return try commit(record, until: deadline)
        }
        defer { free.bitwiseOr(1 << UInt64(index), ordering: .releasing) }
        let seat = seats + index
        seat.pointee.content.pointee.record = record
        seat.pointee.state.store(.awake, ordering: .relaxed)
        waiting.bitwiseOr(1 << UInt64(index), ordering: .sequentiallyConsistent)

        var lastTurn: Int?
        var lastTurnBegin: UInt64 = 0
        var sleepTime: UInt64?
        while true {
            // Before the state: whoever ends its use has said before what became of the record.
            let isAlone = isAlone
            let keepsCore = isAlone && Self.hasSeveralCores
            switch seat.pointee.state.load(ordering: .acquiring) {
            case .committed: return seat.pointee.content.pointee.id
            case .alone: return try write(until: deadline) { writer throws(SpoolError) in try writer.append(record) }
            case .awake, .asleep: break
            }
            let now = MonotonicClock.nanoseconds()
            if now >= deadline, take(index) {
                passOn()
                throw timeout
            }
            let sleepsAt = isAlone && isInTheWay ? now : sleepTime ?? now &+ (keepsCore ? times.spin : times.yield)
            sleepTime = sleepsAt
            // Once a turn, until those who were there the last time are back: one commit for all of them, not one for a few.
            let turn = turns.load(ordering: .relaxed)
            let isNew = turn != lastTurn && waitingRecords < expectedRecords
            if isNew { (lastTurn, lastTurnBegin) = (turn, now) }
            if now < sleepsAt, isNew || isForOtherCore && now &- lastTurnBegin < times.lastCore {
                if !keepsCore { sched_yield() }
                continue
            }
            // To be said before the lock is tried: see `passOn`.
            let willSleep = now >= sleepsAt && seat.pointee.change(from: .awake, to: .asleep)
            if willSleep { atomicMemoryFence(ordering: .sequentiallyConsistent) }
            // Others go first, but one thread alone does not sleep because none of them has come awake and taken the lock.
            if willSleep && isAlone ? lock.tryLock() : tryLock() {
                if take(index) { return try commit(record, until: deadline) }
                // Taken by whoever had the lock before: the state says what became of it.
                letGo()
            } else if willSleep {
                seat.pointee.sleep(
                    nanoseconds: now < deadline ? min(deadline - now, times.longestSleep) : times.longestSleep
                )
                sleepTime = nil
            } else if !keepsCore {
                sched_yield()
            }
            if willSleep { _ = seat.pointee.change(from: .asleep, to: .awake) }
        }
    }

    /// How many records are likely to wait in a moment: as many as the last commit had, and those of the threads that are
    /// still to learn what became of their last one. Two at the least: who waits has met another thread.
    private var expectedRecords: Int {
        max(2, crowd.load(ordering: .relaxed), Self.seatCount - free.load(ordering: .relaxed).nonzeroBitCount)
    }

    /// Whether one thread logs, and waits for a write of another kind. A core that it gives away it has again at the next
    /// tick, milliseconds later; the lock is free sooner. Where several log, others come meanwhile, and share a commit.
    private var isAlone: Bool {
        waitingRecords <= 1 && crowd.load(ordering: .relaxed) <= 1
            && (isInUse.load(ordering: .acquiring) || lock.hasWaiters)
    }

    /// Whether the calling thread, when it came awake, took the core from the one that has the lock, which does not go on
    /// before it has that back.
    private var isInTheWay: Bool {
        let core = lastCore.load(ordering: .relaxed)
        return core >= 0 && core == currentCore()
    }

    /// Whether a record waits alone, and a thread on another core, which has SQLite's pages in its cache, is likely to come
    /// back and commit it with its next one.
    private var isForOtherCore: Bool {
        waitingRecords <= 1 && lastCore.load(ordering: .relaxed) != currentCore()
    }

    /// With the lock held, which it lets go: commits a record that nobody else can take, and those that wait.
    private func commit(_ record: NewRecord, until deadline: UInt64) throws(SpoolError) -> Int64 {
        var sleepers: UInt64 = 0
        defer { letGo(waking: sleepers) }
        lastCore.store(currentCore(), ordering: .relaxed)
        setBusyDeadline(deadline)
        guard waitingRecords > 0 else {
            crowd.store(1, ordering: .relaxed)
            return try writer.append(record)
        }
        do throws(SpoolError) {
            return try commitRound(with: record, waking: &sleepers)
        } catch {
            return try writer.append(record)
        }
    }

    private func setBusyDeadline(_ deadline: UInt64) {
        let timeout = busyTimeout.load(ordering: .relaxed)
        writer.connection.setBusyDeadline(
            timeout == .max ? deadline : min(deadline, MonotonicClock.nanoseconds() &+ timeout)
        )
    }

    /// With the lock held: commits the records that wait, and one of the caller's, in one transaction.
    ///
    /// - Parameter sleepers: gets a bit for each thread that is to be woken when the lock is free.
    /// - Returns: the id of the caller's record; 0 if there is none.
    private func commitRound(with own: NewRecord?, waking sleepers: inout UInt64) throws(SpoolError) -> Int64 {
        var taken: UInt64 = 0
        var outcome = Seat.State.alone
        defer { sleepers |= tell(taken, outcome) }
        try writer.room.admit(own.map { SpoolLimit.cost(ofMessage: $0.message.count) } ?? 1)
        let most = writer.room.limit == nil ? Self.roundBytes : min(Self.roundBytes, Int(writer.room.left))
        let firstSeat = nextSeat
        let firstID = try writer.append {
            var count = 0
            var bytes = 0
            if let own {
                round[0] = own
                count = 1
                bytes = own.message.count
            }
            // Those that come from now on are for the next round.
            forEachSeat(of: waiting.load(ordering: .relaxed), from: firstSeat) { index in
                guard bytes < most, take(index) else { return }
                taken |= 1 << UInt64(index)
                nextSeat = (index + 1) % Self.seatCount
                round[count] = seats[index].content.pointee.record
                bytes += round[count].message.count
                count += 1
            }
            return UnsafeBufferPointer(start: round, count: count)
        }
        // The last one may have the greatest number there is.
        var id = own == nil ? firstID : firstID &+ 1
        forEachSeat(of: taken, from: firstSeat) { index in
            seats[index].content.pointee.id = id
            id &+= 1
        }
        outcome = .committed
        crowd.store(taken.nonzeroBitCount + (own == nil ? 0 : 1), ordering: .relaxed)
        return firstID
    }

    private func forEachSeat(of set: UInt64, from first: Int, _ body: (Int) -> Void) {
        var rest = set &>> UInt64(first) | set &<< UInt64(Self.seatCount - first)
        while rest != 0 {
            body((rest.trailingZeroBitCount + first) % Self.seatCount)
            rest &= rest - 1
        }
    }

    /// Says of taken records what became of them. Returns the seats whose threads are to be woken.
    private func tell(_ taken: UInt64, _ outcome: Seat.State) -> UInt64 {
        var sleepers: UInt64 = 0
        var rest = taken
        while rest != 0 {
            let index = rest.trailingZeroBitCount
            rest &= rest - 1
            if seats[index].state.exchange(outcome, ordering: .acquiringAndReleasing) == .asleep {
                sleepers |= 1 << UInt64(index)
            }
        }
        return sleepers
    }

    // MARK: The lock

    /// Leaves the lock to a thread that waits for nothing else.
    private func tryLock() -> Bool {
        !lock.hasWaiters && lock.tryLock()
    }

    private func waitForLock(until deadline: UInt64) throws(SpoolError) {
        guard hold(until: deadline) else { throw timeout }
    }

    /// Takes the lock, for a write or so that there is none. False if it was not to be had.
    func hold(until deadline: UInt64) -> Bool {
        if lock.lock(until: deadline) { return true }
        passOn()
        return false
    }

    /// Lets the lock go after ``hold(until:)``.
    func release() { letGo() }

    private func letGo(waking sleepers: UInt64 = 0) {
        turns.wrappingAdd(1, ordering: .relaxed)
        lock.unlock()
        var rest = sleepers
        while rest != 0 {
            seats[rest.trailingZeroBitCount].wake()
            rest &= rest - 1
        }
        passOn()
    }

    /// To be done by a thread that would have looked after the waiting records, and goes.
    ///
    /// The fence parts what it did before (let go of the lock, withdraw its record, stop waiting for the lock) from its
    /// look at the others. Its counterpart parts a thread's word that it sleeps from its last try of the lock. A thread
    /// that is found awake is yet to try the lock, and will in its turn pass on.
    private func passOn() {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        let waiting = waiting.load(ordering: .relaxed)
        guard waiting != 0 else { return }
        let index = waiting.trailingZeroBitCount
        if seats[index].change(from: .asleep, to: .awake) { seats[index].wake() }
    }

    private var timeout: SpoolError {
        SpoolError(
            .busy,
            path: path,
            message: "the spool was not to be had within the commit timeout"
        )
    }

    // MARK: Seats

    private func takeSeat() -> Int? {
        var found = free.load(ordering: .relaxed)
        while found != 0 {
            let (exchanged, original) = free.weakCompareExchange(
                expected: found,
                desired: found & (found - 1),
                ordering: .acquiring
            )
            if exchanged { return found.trailingZeroBitCount }
            found = original
        }
        return nil
    }

    /// True if the record was waiting; then it is the caller's, and no other thread's.
    private func take(_ index: Int) -> Bool {
        let bit: UInt64 = 1 << UInt64(index)
        return waiting.bitwiseAnd(~bit, ordering: .acquiringAndReleasing).oldValue & bit != 0
    }
}
