/// Decides what the uploader does next: which records to look at, which batch to send, how long to wait.
///
/// Pure: it is told what the spool holds, what the service answered and what time it is, and it never touches any of
/// them. The uploader asks ``next(at:)`` for a step, takes it, and tells the plan how it went:
///
/// | step       | told with                                   |
/// |------------|---------------------------------------------|
/// | `scan`     | ``found(_:isLast:rows:through:)``           |
/// | `catchUp`  | ``found(_:isLast:rows:through:)``           |
/// | `reject`   | ``rejected(_:)``                            |
/// | `send`     | ``delivered(_:taken:)``, ``leftOut(_:from:until:)``, ``failed(_:retryAt:notBefore:)``, ``postpone(_:until:)``, ``split(_:ids:)``, ``vanished(_:)`` |
/// | `wait`     | ``wake()``                                  |
///
/// One pass over the spool, in the order of ids, serves all streams: each gathers its next batch. A stream that has to
/// wait gathers nothing; the plan remembers where it stopped and catches up later, so that no stream holds up another
/// and no more than one batch of headers a stream is ever in memory, and the ids of sparse batches that are not delivered.
package struct UploadPlan: Sendable {
    private let limits: BatchLimits
    private let pacing: Pacing
    private var streams: [Int64: Stream] = [:]
    /// The batches on their way, of all streams.
    private(set) package var inFlight = 0
    /// Some stream left out records that the service will take only later.
    private var hasEarly = false
    /// The service's clock counts, and not ours, for what is too far ahead: it has called records too new that were not.
    private var trustsServiceClock = false
    /// How far the time of day was ahead of the monotonic clock when it was last set, as far as that was noticed.
    private var timeOfDayLead: Int64?
    /// When the next batch may be sent, on the monotonic clock, for the bound on batches a second.
    private var nextPut: Int64 = .min
    /// When the next batch of a failing stream may be sent, on the monotonic clock.
    private var nextRetry: Int64 = .min
    /// The batches on their way of streams that were failing when they were sent.
    private var retries: Set<BatchRange> = []
    /// Every record up to this id was gathered or passed over.
    private var cursor = Int64.min
    /// How many rows the pass over all streams has looked at.
    private var position = 0
    /// All records were read that were there when the plan was last woken.
    private var reachedEnd = false
    /// Headers that were read and not yet looked at.
    private var unread: ArraySlice<RecordHeader> = []
    /// The stream that ``unread`` catches up with, and through which record; `nil` if ``unread`` belongs to the pass over
    /// all streams.
    private var catchingUp: (stream: Int64, through: Int64)?
    private var unreadIsLast = false
    /// How far the reading of ``unread`` got, where it catches up with a stream.
    private var unreadThrough: Int64?
    /// For how many rows, those of other streams included, each of ``unread`` stands.
    private var rowsPerHeader = 1
    /// Records to be rejected before anything else is done: a batch must not hold one of them.
    private var refused: [RefusedRecord] = []
    /// Records up to this id are sent as soon as they can be.
    private var flushTarget: Int64 = 0
    /// Records that never ask to be sent: they go along with later ones of their stream, or with a flush. What is logged
    /// by an upload must not cause another, or there would be no end.
    package var quiet: Set<Int64> = []

    /// The streams of which records are sent; `nil`: all.
    private let chosen: Set<Int64>?

    package init(limits: BatchLimits, pacing: Pacing = Pacing(), chosen: Set<Int64>? = nil) {
        self.limits = limits
        self.pacing = pacing
        self.chosen = chosen
    }

    // MARK: What happened

    /// A batch that was in flight when its process died: it is sent again first, with the same boundaries.
    package mutating func restore(_ range: BatchRange) {
        change(range.stream) { stream in
            stream.replays.append(range)
            stream.unsettled.insert(range)
        }
    }

    /// A stream whose last batches failed, in a process that is no more, waits until a time on the monotonic clock: to start
    /// again must not mean to begin with the retries anew.
    package mutating func restoreFailing(_ key: Int64, retryAt: Int64) {
        change(key) { stream in
            stream.isFailing = true
            stream.retryAt = retryAt
        }
    }

    /// Everything up to an id is to be sent now, also by streams that are waiting to try again, unless the service itself
    /// asked them to wait. However often that is asked for, those try no more often than ``Pacing/retryInterval`` says.
    package mutating func flush(through id: Int64) {
        flushTarget = max(flushTarget, id)
        for key in Array(streams.keys) {
            change(key) { [flushTarget, cursor] stream in
                stream.retryAt = .min
                stream.resumeThrough = max(stream.resumeThrough, min(flushTarget, cursor))
            }
        }
        wake()
    }

    /// There may be new records.
    package mutating func wake() {
        reachedEnd = false
    }

    /// The headers that the last `scan` or `catchUp` found; `isLast` if there are no more of them now.
    ///
    /// - Parameters:
    ///   - rows: how many rows were looked at, if there were others among them.
    ///   - through: up to which id they were looked at, if that is not the last of the headers.
    package mutating func found(_ headers: [RecordHeader], isLast: Bool, rows: Int = 0, through: Int64? = nil) {
        unread = headers[...]
        unreadIsLast = isLast
        unreadThrough = isLast ? catchingUp?.through : through
        rowsPerHeader = max(1, rows / max(1, headers.count))
        // Now and not when they have been looked at: what wakes the plan until then is not among them.
        if isLast, catchingUp == nil { reachedEnd = true }
    }

    /// These records of the last `reject` stand in `rejected`.
    package mutating func rejected(_ records: [RefusedRecord]) {
        refused.removeFirst(records.count)
    }

    /// The service has the batch.
    ///
    /// - Parameter taken: the part of it that is not there any more, where some is left out; `nil`: all.
    package mutating func delivered(_ range: BatchRange, taken: BatchRange? = nil) {
        finish(range, then: [])
        recover(range.stream)
        forgetRead(taken ?? range)
    }

    /// Some of a batch that was delivered is still there: the service will take it only later.
    ///
    /// - Parameters:
    ///   - id: that of the first of them.
    ///   - time: when, by our clock, in milliseconds since 1970-01-01T00:00:00Z.
    package mutating func leftOut(_ range: BatchRange, from id: Int64, until time: Int64) {
        trustsServiceClock = true
        leaveOut(id, of: range.stream, until: time)
    }

    /// The batch was not sent: there are no records in it any more.
    package mutating func vanished(_ range: BatchRange) {
        finish(range, then: [])
        forgetRead(range)
    }

    /// What was read before they left. Mostly there is none of it, and much that need not be looked at.
    private mutating func forgetRead(_ range: BatchRange) {
        guard let first = unread.first, first.id <= range.last else { return }
        unread.removeAll(where: range.contains)
    }

    /// The batch did not get through: it will be sent again as it is, at a time on the monotonic clock.
    ///
    /// - Parameter notBefore: no flush has it sent before this time on the monotonic clock: the service said so.
    package mutating func failed(_ range: BatchRange, retryAt: Int64, notBefore: Int64 = .min) {
        finish(range, then: [range])
        change(range.stream) { stream in
            stream.retryAt = retryAt
            stream.notBefore = max(stream.notBefore, notBefore)
            stream.isFailing = true
        }
    }

    /// The batch was not sent after all: it is to be sent as it is at a time on the monotonic clock.
    package mutating func postpone(_ range: BatchRange, until time: Int64) {
        finish(range, then: [range])
        change(range.stream) { $0.retryAt = time }
    }

    /// The service answers for the stream again: the others are likely to get through as well.
    private mutating func recover(_ key: Int64) {
        guard streams[key]?.isFailing == true else { return }
        change(key) { $0.isFailing = false }
        nextRetry = .min
    }

    /// The service calls the content invalid: both halves are sent by themselves next. Each step halves what is left, so
    /// that one guilty record among n is alone after log2(n) steps.
    ///
    /// - Parameter ids: the ids of the batch, ascending; two at least.
    package mutating func split(_ range: BatchRange, ids: [Int64]) {
        finish(range, then: range.halves(ids))
        recover(range.stream)
    }

    private mutating func finish(_ range: BatchRange, then replays: [BatchRange]) {
        inFlight -= 1
        retries.remove(range)
        change(range.stream) { stream in
            stream.inFlight.removeAll { $0 == range }
            stream.replays.append(contentsOf: replays)
            stream.replays.sort { $0.first < $1.first }
            stream.unsettled.remove(range)
            stream.unsettled.formUnion(replays)
            if replays != [range] { stream.whole.remove(range) }
            guard let ids = stream.ids.removeValue(forKey: range) else { return }
            for replay in replays { stream.ids[replay] = ids.filter((replay.first...replay.last).contains) }
        }
        // What was read ahead for a stream that does not gather now is read again.
        if !replays.isEmpty, catchingUp?.stream == range.stream { stopCatchingUp() }
    }

    // MARK: What to do

    package mutating func next(at now: Moment) -> Step {
        noticeSetClock(at: now)
        admitEarly(at: now)
        gather(at: now)
        if !refused.isEmpty { return .reject(refused) }
        if hasRoomInFlight(at: now), let range = ready(at: now) {
            return .send(range, ids: take(range, at: now))
        }
        // A batch is complete and must wait for its turn, and what was read behind it waits with it.
        if !unread.isEmpty { return .wait(until: nextTime(after: now)) }
        if let (key, stream) = streams.first(where: { isBehind($0.value, at: now) }), let first = stream.resumeFrom {
            catchingUp = (key, stream.resumeThrough)
            return .catchUp(stream: key, after: first - 1, through: stream.resumeThrough)
        }
        if !reachedEnd { return .scan(after: cursor) }
        forgetIdleStreams(at: now)
        return .wait(until: nextTime(after: now))
    }

    /// Names of streams may hold a date or a process: the plan must not grow with every stream that ever was.
    private mutating func forgetIdleStreams(at now: Moment) {
        let memory = max(pacing.interval, Pacing.coalescing)
        for (key, stream) in streams where stream.isIdle && !stream.isWaiting(at: now) {
            if stream.lastPut.map({ now.monotonic - $0 >= memory }) ?? true { streams[key] = nil }
        }
    }

    /// Looks at what was read, up to the first record that completes a batch.
    private mutating func gather(at now: Moment) {
        while let header = unread.first {
            var looked = 1
            if let chosen, !chosen.contains(header.stream) {
                unread.removeFirst()
                position += 1
                cursor = max(cursor, header.id)
                continue
            }
            if catchingUp == nil, !isGathering(header, at: now) {
                pass(header)
            } else {
                switch add(header, at: now) {
                case .full:
                    guard !isReady(header.stream, at: now) else { return }
                    // Others must not wait until this stream may send again.
                    guard catchingUp == nil else { return stopCatchingUp() }
                    pass(header)
                case .refused(let reason): refused.append(RefusedRecord(id: header.id, reason: reason))
                case .early(let until):
                    let shortest = now.wall + max(limits.age, Self.shortestPostponement)
                    leaveOut(header.id, of: header.stream, until: max(until, shortest))
                case .taken: looked += takeRun(of: header.stream, at: now)
                }
            }
            let last = unread[unread.startIndex + looked - 1].id
            if catchingUp != nil { change(header.stream) { $0.resumeFrom = last < .max ? last + 1 : nil } }
            unread.removeFirst(looked)
            if catchingUp == nil {
                position += looked
                cursor = max(cursor, last)
            }
        }
        if let (key, _) = catchingUp {
            if let end = unreadThrough {
                change(key) { $0.resumeFrom = end < max($0.lastPassed, $0.resumeThrough) ? end + 1 : nil }
            }
        } else if unreadIsLast {
            quiet = quiet.filter { $0 > cursor }
        }
        stopCatchingUp()
    }

    /// Adds what follows the first header and is simply taken as that was: mostly all of a batch, and one look at its stream
    /// for all of it. Returns how many; the next one is looked at by itself.
    private mutating func takeRun(of key: Int64, at now: Moment) -> Int {
        change(key) {
            [unread, rowsPerHeader, catchingUp, accepted = now.acceptedTimes(byService: trustsServiceClock)] stream in
            var count = 0
            for header in unread.dropFirst() {
                guard header.stream == key,
                    stream.planner.add(
                        header,
                        rows: rowsPerHeader,
                        isCounted: catchingUp == nil,
                        now: now.wall,
                        accepted: accepted
                    ) == .taken
                else { break }
                count += 1
            }
            if catchingUp == nil { stream.position += count }
            return count
        }
    }

    private mutating func add(_ header: RecordHeader, at now: Moment) -> BatchPlanner.Verdict {
        change(header.stream) {
            [position, rowsPerHeader, catchingUp, accepted = now.acceptedTimes(byService: trustsServiceClock)] stream in
            if stream.planner.count == 0 { stream.gatheringSince = now.monotonic }
            let rows = catchingUp == nil ? position - stream.position : rowsPerHeader
            let verdict = stream.planner.add(
                header,
                rows: rows,
                isCounted: catchingUp == nil,
                now: now.wall,
                accepted: accepted
            )
            if verdict == .taken { stream.position = position }
            return verdict
        }
    }

    /// Leaves a record for later: its stream waits, or catches up, or the record does not ask to be sent.
    private mutating func pass(_ header: RecordHeader) {
        let asks = !isQuiet(header)
        change(header.stream) { stream in
            stream.resumeFrom = min(stream.resumeFrom ?? header.id, header.id)
            stream.lastPassed = header.id
            if asks { stream.resumeThrough = header.id }
        }
    }

    private mutating func stopCatchingUp() {
        unread = []
        unreadIsLast = false
        unreadThrough = nil
        catchingUp = nil
    }

    /// Notes to turn back to a record at a time.
    private mutating func leaveOut(_ id: Int64, of key: Int64, until: Int64) {
        hasEarly = true
        change(key) { stream in
            let early = stream.early ?? (id, until)
            stream.early = (min(early.firstID, id), min(early.until, until))
        }
    }

    /// To turn back to what was left out means to read all of it again, which must not happen for every one of many records.
    /// In milliseconds; the batches' age, if that is longer.
    private static let shortestPostponement: Int64 = 1_000

    /// Where the time of day has been set, nothing counts that was known by it: neither how far the service's clock is from
    /// it, which the next answer tells, nor when records may be sent. A machine that slept looks the same; it costs one look.
    private mutating func noticeSetClock(at now: Moment) {
        let lead = now.wall.subtractingSaturated(now.monotonic)
        let before = timeOfDayLead ?? lead
        timeOfDayLead = before
        guard lead.subtractingSaturated(before).magnitude > Self.unnoticedStep else { return }
        timeOfDayLead = lead
        trustsServiceClock = false
        for key in streams.keys { change(key) { $0.early?.until = .min } }
    }

    /// So far the time of day may be set without any harm, in milliseconds.
    private static let unnoticedStep: UInt64 = 60_000

    /// Turns back to records whose time has come.
    private mutating func admitEarly(at now: Moment) {
        guard hasEarly else { return }
        hasEarly = streams.values.contains { $0.early != nil }
        for (key, stream) in streams {
            guard let early = stream.early, early.until <= now.wall, catchingUp?.stream != key, stream.inFlight.isEmpty,
                stream.unsettled.isEmpty
            else { continue }
            change(key) { [cursor, limits] stream in
                stream.early = nil
                // The pass over all streams has yet to begin, and will find them.
                guard cursor > .min else { return }
                stream.resumeThrough = max(stream.resumeThrough, cursor)
                stream.resumeFrom = min(stream.resumeFrom ?? cursor, early.firstID, stream.planner.firstID ?? cursor)
                stream.planner = BatchPlanner(limits: limits)
            }
        }
    }

    private func isQuiet(_ header: RecordHeader) -> Bool {
        quiet.contains(header.id) && header.id > flushTarget
    }

    private func isGathering(_ header: RecordHeader, at now: Moment) -> Bool {
        guard let stream = streams[header.stream] else { return !isQuiet(header) }
        return stream.unsettled.isEmpty && stream.resumeFrom == nil && !stream.isWaiting(at: now)
            && (stream.planner.count > 0 || !isQuiet(header))
    }

    private func isBehind(_ stream: Stream, at now: Moment) -> Bool {
        guard let first = stream.resumeFrom, first <= stream.resumeThrough else { return false }
        return stream.unsettled.isEmpty && !stream.isWaiting(at: now) && !stream.planner.isFull(now: now.wall)
    }

    private func hasRoomInFlight(at now: Moment) -> Bool {
        inFlight < pacing.inFlight && now.monotonic >= nextPut
    }

    private func isReady(_ key: Int64, at now: Moment) -> Bool {
        streams[key].map { canSend($0, at: now) && isReady($0, at: now) } ?? false
    }

    private func canSend(_ stream: Stream, at now: Moment) -> Bool {
        !stream.isWaiting(at: now) && !stream.isTurningBack(at: now)
            && (!stream.isFailing || mayRetry(at: now))
            && (stream.lastPut.map { now.monotonic - $0 >= pacing.interval } ?? true)
    }

    /// Where several batches may be on their way, those of failing streams leave room for others: they may all hang.
    private func mayRetry(at now: Moment) -> Bool {
        now.monotonic >= nextRetry && retries.count < max(1, pacing.inFlight - 1)
    }

    /// The batch to send now: one that was promised, or is complete, or is due; the one with the oldest record first. Those
    /// of failing streams come last, and take turns.
    private func ready(at now: Moment) -> BatchRange? {
        var best: (range: BatchRange, rank: (Int64, Int64))?
        for stream in streams.values where canSend(stream, at: now) {
            let range = stream.replays.first ?? (isReady(stream, at: now) ? stream.planner.range : nil)
            guard let range else { continue }
            let rank = (stream.isFailing ? stream.lastPut ?? 0 : .min, range.first)
            if best.map({ rank < $0.rank }) ?? true { best = (range, rank) }
        }
        return best?.range
    }

    private func isReady(_ stream: Stream, at now: Moment) -> Bool {
        guard stream.unsettled.isEmpty, let first = stream.planner.firstID,
            let due = stream.planner.dueTime(now: now.wall)
        else { return false }
        let isAsked = first <= flushTarget || due <= now.wall
        if stream.planner.isClosed { return true }
        if stream.planner.isFull(now: now.wall) { return isAsked || now.monotonic >= stream.coalesced }
        // While there is more to read the batch may yet fill up, but not for ever.
        let mayGrow = !reachedEnd || !unread.isEmpty || isBehind(stream, at: now)
        if mayGrow, now.monotonic - stream.gatheringSince < limits.age { return false }
        return isAsked || (stream.planner.isComplete && now.monotonic >= stream.coalesced)
    }

    /// The batch goes on its way. Returns the ids of its records, if it is sparse.
    private mutating func take(_ range: BatchRange, at now: Moment) -> [Int64] {
        inFlight += 1
        if let rate = pacing.putsPerSecond { nextPut = max(nextPut, now.monotonic) + (999 + Int64(rate)) / Int64(rate) }
        if streams[range.stream]?.isFailing == true {
            nextRetry = now.monotonic + Pacing.retryInterval
            retries.insert(range)
        }
        return change(range.stream) { [limits] stream in
            if stream.replays.first == range {
                stream.replays.removeFirst()
            } else {
                if stream.planner.isSparse { stream.ids[range] = stream.planner.ids }
                if stream.planner.isWhole { stream.whole.insert(range) }
                stream.planner = BatchPlanner(limits: limits)
            }
            stream.inFlight.append(range)
            stream.lastPut = now.monotonic
            return stream.ids[range] ?? []
        }
    }

    /// Whether a batch on its way holds every row of the spool from its first record to its last, as far as is known: none
    /// comes between them later, for ids only grow.
    package func isWhole(_ range: BatchRange) -> Bool { streams[range.stream]?.whole.contains(range) ?? false }

    /// How many streams it knows: those that have something to send or to wait for, or had a moment ago.
    package var streamCount: Int { streams.count }

    /// Whether a stream has something to send, or will when it has caught up.
    package func isBusy(_ stream: Int64) -> Bool { streams[stream]?.isBusy ?? false }

    /// The streams that have something to send, or will have when they have caught up.
    package var busyStreams: Set<Int64> {
        Set(streams.filter(\.value.isBusy).keys)
    }

    /// How many records, or bytes as the service counts them, may come before there is something to do.
    package func room(at now: Moment) -> (records: Int, bytes: Int) {
        if !hasRoomInFlight(at: now) { return (.max, .max) }
        var room = (records: Int.max, bytes: Int.max)
        for stream in streams.values where stream.planner.count > 0 && !stream.planner.isComplete {
            room = (min(room.records, stream.planner.room.records), min(room.bytes, stream.planner.room.bytes))
        }
        if room.records < .max { return room }
        // The first record after an idle time is looked at, for its batch to be timed. Where a stream waits to try again,
        // that would be every record of it.
        let isIdle = streams.values.allSatisfy {
            $0.unsettled.isEmpty && $0.resumeFrom == nil && $0.planner.count == 0
        }
        return isIdle ? (1, .max) : (limits.count, limits.bytes)
    }

    /// The next time at which there is something to do though nothing happens.
    private func nextTime(after now: Moment) -> Int64? {
        var next = Int64.max
        func consider(_ time: Int64) { if time > now.monotonic { next = min(next, time) } }
        for stream in streams.values {
            if let early = stream.early { consider(now.monotonic + max(0, early.until.subtractingSaturated(now.wall))) }
            guard !stream.replays.isEmpty || stream.planner.count > 0 || stream.resumeFrom != nil else { continue }
            if stream.isWaiting(at: now) {
                consider(stream.waitEnd)
                continue
            }
            var time = stream.replays.isEmpty ? Int64.max : now.monotonic
            if stream.unsettled.isEmpty {
                if let due = stream.planner.dueTime(now: now.wall) { time = now.monotonic + max(0, due - now.wall) }
                let isFlushed = stream.planner.firstID.map { $0 <= flushTarget } ?? false
                if stream.planner.isClosed || isFlushed { time = now.monotonic }
                if stream.planner.isComplete { time = min(time, stream.coalesced) }
            }
            if let lastPut = stream.lastPut { time = max(time, lastPut + pacing.interval) }
            if stream.isFailing { time = max(time, nextRetry) }
            if time < .max { consider(max(time, nextPut)) }
        }
        // A batch that only waits for another one to come home has no time.
        return next == .max ? nil : next
    }

    @discardableResult
    private mutating func change<Result>(_ key: Int64, _ body: (inout Stream) -> Result) -> Result {
        body(&streams[key, default: Stream(planner: BatchPlanner(limits: limits))])
    }
}
