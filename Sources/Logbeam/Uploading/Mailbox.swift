internal import LogbeamCore
internal import LogbeamSpool
internal import Synchronization

/// What the application's threads tell the uploader's thread. Thread-safe.
///
/// Telling of a record costs two atomic additions; the uploader is woken only when it asked to be, for the first record
/// after it had nothing to do, or when a batch is full.
package final class Mailbox: Sendable {
    /// Somebody who waits until everything is sent that was pending when they asked.
    struct Flush {
        var number: Int
        /// The id up to which; `nil` until the uploader has looked.
        var target: Int64?
        /// Called once, on the uploader's thread; with false if the uploader stops first.
        var completion: @Sendable (Bool) -> Void
    }

    private struct State {
        var isStopped = false
        var hasNews = false
        var flushes: [Flush] = []
        /// How many flushes were asked for so far.
        var flushCount = 0
        /// The numbers of those that nobody waits for any more.
        var forgotten: Set<Int> = []
        /// Records that must not cause an upload, since an upload caused them.
        var quiet: Set<Int64> = []
        /// How many such records were begun so far.
        var quietCount = 0
        /// The numbers of those that may stand in the spool, and not in `quiet` yet.
        var beingAppended: Set<Int> = []
    }

    private let state = Condition(State())
    private let records = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)
    private let wakeAtRecords = Atomic<Int>(.max)
    private let wakeAtBytes = Atomic<Int>(.max)

    /// How many records, and bytes as the service counts them, were told of so far.
    struct Mark {
        var records: Int
        var bytes: Int
    }

    var mark: Mark {
        Mark(
            records: records.load(ordering: .sequentiallyConsistent),
            bytes: bytes.load(ordering: .sequentiallyConsistent)
        )
    }

    package init() {}

    // MARK: For the application's threads

    /// Records were committed.
    ///
    /// - Parameter size: as the service counts.
    func appended(records count: Int = 1, bytes size: Int) {
        let recordsNow = records.add(count, ordering: .sequentiallyConsistent).newValue
        let bytesNow = bytes.add(size, ordering: .sequentiallyConsistent).newValue
        guard
            recordsNow >= wakeAtRecords.load(ordering: .sequentiallyConsistent)
                || bytesNow >= wakeAtBytes.load(ordering: .sequentiallyConsistent)
        else { return }
        wakeAtRecords.store(.max, ordering: .sequentiallyConsistent)
        wakeAtBytes.store(.max, ordering: .sequentiallyConsistent)
        state.change { $0.hasNews = true }
    }

    /// Commits a record that an upload caused. It wakes nobody.
    ///
    /// - Parameter append: commits the record, and returns its id, and anything else.
    func appendQuietly<Rest>(_ append: () throws -> (Int64, Rest)) rethrows -> Rest {
        let number = state.change { state in
            state.quietCount += 1
            state.beingAppended.insert(state.quietCount)
            return state.quietCount
        }
        var id: Int64?
        defer {
            state.change { state in
                state.beingAppended.remove(number)
                if let id, !state.isStopped { state.quiet.insert(id) }
            }
        }
        let rest: Rest
        (id, rest) = try append()
        return rest
    }

    /// Asks for a flush. The completion is called at once, with false, if the uploader has stopped.
    ///
    /// - Returns: the number of the flush.
    @discardableResult
    func flush(_ completion: @escaping @Sendable (Bool) -> Void) -> Int {
        let (number, isStopped) = state.change { state in
            state.flushCount += 1
            guard !state.isStopped else { return (state.flushCount, true) }
            state.flushes.append(Flush(number: state.flushCount, completion: completion))
            state.hasNews = true
            return (state.flushCount, false)
        }
        if isStopped { completion(false) }
        return number
    }

    /// Nobody waits for a flush any more. What it asked for is sent all the same.
    func forgetFlush(_ number: Int) {
        state.change { state in
            if !state.isStopped { state.forgotten.insert(number) }
        }
    }

    /// There is something to do that no record tells of.
    package func wakeUp() {
        state.change { $0.hasNews = true }
    }

    func stop() {
        state.change { $0.isStopped = true }
    }

    // MARK: For the uploader's thread

    var isStopped: Bool { state.read { $0.isStopped } }
    var hasNews: Bool { state.read { $0.hasNews || $0.isStopped } }

    /// Waits for those who are within ``appendQuietly(_:)``, since what they have committed may have been read already. Not
    /// for those who come later, and for nobody twice: who is waited for in vain may be waiting for another process.
    ///
    /// - Parameter deadline: in milliseconds of the monotonic clock.
    /// - Returns: false if it came before they were done.
    @discardableResult
    func waitForQuiet(until deadline: Int64) -> Bool {
        let last = state.read { $0.quietCount }
        let isDone = state.wait(until: deadline) { state in
            state.isStopped || !state.beingAppended.contains { $0 <= last } ? true : nil
        }
        if isDone == nil { state.change { state in state.beingAppended = state.beingAppended.filter { $0 > last } } }
        return isDone ?? false
    }

    func takeQuiet() -> Set<Int64> {
        state.change { state in
            defer { state.quiet = [] }
            return state.quiet
        }
    }

    /// Gives each flush its target, if it has none, and ends those that `isDone` says are done.
    func updateFlushes(target: () -> Int64?, isDone: (Int64) -> Bool) {
        // The completions, and all that the closures do, run outside of the lock.
        var flushes = state.change { state in
            defer { state.flushes = [] }
            if state.flushes.isEmpty { state.forgotten = [] }
            return state.flushes
        }
        guard !flushes.isEmpty else { return }
        if flushes.contains(where: { $0.target == nil }), let now = target() {
            for index in flushes.indices where flushes[index].target == nil { flushes[index].target = now }
        }
        // Many may wait for the same records.
        var known: [Int64: Bool] = [:]
        var open: [Flush] = []
        for flush in flushes {
            let isDone = flush.target.map { target in
                let answer = known[target] ?? isDone(target)
                known[target] = answer
                return answer
            }
            if isDone == true { flush.completion(true) } else { open.append(flush) }
        }
        state.change { state in
            state.flushes = open.filter { !state.forgotten.contains($0.number) } + state.flushes
            state.forgotten = []
        }
    }

    /// To be called when another process has taken over, which was not told of the flushes that this one was at, or when the
    /// spool gets another file, where the records have other ids.
    func renewFlushes() {
        state.change { state in
            for index in state.flushes.indices { state.flushes[index].target = nil }
        }
    }

    /// Tells everyone who waits for the uploader that nothing more will be sent. Those that it has not heard of yet stay.
    func endFlushes() {
        let flushes = state.change { state in
            defer { state.flushes.removeAll { $0.target != nil || state.isStopped } }
            return state.flushes.filter { $0.target != nil || state.isStopped }
        }
        for flush in flushes { flush.completion(false) }
    }

    /// Sleeps until a deadline in milliseconds of the monotonic clock, or until there is news: a flush, the end, or as
    /// many records or bytes since `mark` as there is room for.
    func wait(until deadline: Int64, since mark: Mark, room: (records: Int, bytes: Int)) {
        wakeAtRecords.store(mark.records.addingSaturated(room.records), ordering: .sequentiallyConsistent)
        wakeAtBytes.store(mark.bytes.addingSaturated(room.bytes), ordering: .sequentiallyConsistent)
        // What came between the mark and these two lines woke nobody: look again, now that whoever comes later will.
        let now = self.mark
        if now.records - mark.records < room.records, now.bytes - mark.bytes < room.bytes {
            _ = state.wait(until: deadline) { $0.hasNews || $0.isStopped ? true : nil }
        }
        wakeAtRecords.store(.max, ordering: .sequentiallyConsistent)
        wakeAtBytes.store(.max, ordering: .sequentiallyConsistent)
        state.change { $0.hasNews = false }
    }
}
