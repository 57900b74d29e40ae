import LogbeamCore

/// An ``UploadPlan`` between a spool and a service that are no more than arrays: takes the plan's steps as the uploader
/// does, and throws where the plan breaks a promise.
struct SimulatedUploader {
    /// What the service makes of a batch.
    enum Answer {
        case accepted
        /// Nobody knows whether the batch arrived; it is to be sent again after so many milliseconds.
        case failed(after: Int64)
        case invalid
        /// The process dies before it has the answer, and another takes over.
        case death(arrived: Bool)
    }

    private enum Event {
        case append(RecordHeader, quiet: Bool)
        case advance(Int64)
        case setClock(Int64)
        case flush(through: Int64)
        case restart
        case drop([Int64])
        case step(UploadPlan.Step)
        case answer(Answer)
    }

    struct Broken: Error, CustomStringConvertible {
        var description: String
    }

    let limits: BatchLimits
    let pacing: UploadPlan.Pacing
    /// The streams of which records are sent; `nil`: all.
    private let chosen: Set<Int64>?
    private(set) var plan: UploadPlan
    var now = UploadPlan.Moment(wall: 1_790_000_000_000, monotonic: 5_000)
    /// How far the time of day here is ahead of the service's, by which that calls records too new; `nil`: it calls none so.
    var clockError: Int64?
    /// How many headers are read at once.
    var pageSize = 1_000
    /// What the service answers; by default it takes everything.
    var answer: (_ range: BatchRange, _ ids: [Int64]) -> Answer = { _, _ in .accepted }

    // The spool.
    private(set) var pending: [RecordHeader] = []
    /// The rows of `deliveries`.
    private(set) var deliveries: [BatchRange] = []
    private(set) var rejected: [RefusedRecord] = []
    private(set) var dropped: Set<Int64> = []
    private(set) var lastID: Int64 = 0
    /// The stream of every record that ever was.
    private(set) var streamOf: [Int64: Int64] = [:]

    // What happened.
    /// The ids of every batch that was sent, in that order, whatever became of it.
    private(set) var sent: [[Int64]] = []
    /// Those of them that were sent by the ids of their records.
    private(set) var sparse: [[Int64]] = []
    /// How many batches were delivered of which the plan said that they held all rows between their first and last.
    private(set) var whole = 0
    /// At how many records the plan had the spool looked at once, to catch up with a stream.
    private(set) var longestLook = 0
    private(set) var lastArrival: Int64 = 0
    /// How many times each record arrived.
    private(set) var arrivals: [Int64: Int] = [:]
    /// Records that may arrive twice: their process died before it had the answer.
    private(set) var inDoubt: Set<Int64> = []
    private(set) var steps = 0
    /// Batches that were sent and are not answered yet.
    private(set) var onTheWay: [(range: BatchRange, ids: [Int64])] = []
    private var trace: [Event] = []
    private var quiet: Set<Int64> = []
    private var flushTarget: Int64 = 0
    private var retryAt: [Int64: Int64] = [:]
    private var lastPut: [Int64: Int64] = [:]
    private var nextPut: Int64 = 0
    private var clockWasSet = false
    /// Streams whose last batch failed, and when the next of them may go.
    private var failing: Set<Int64> = []
    private var nextRetry: Int64 = 0
    /// Halves of invalid batches, whose boundaries are fixed.
    private var halves: Set<BatchRange> = []

    init(
        limits: BatchLimits = BatchLimits(count: 5, bytes: 400, messageBytes: 200, age: 1_000),
        pacing: UploadPlan.Pacing = UploadPlan.Pacing(inFlight: 1),
        chosen: Set<Int64>? = nil
    ) {
        self.limits = limits
        self.pacing = pacing
        self.chosen = chosen
        plan = UploadPlan(limits: limits, pacing: pacing, chosen: chosen)
    }

    // MARK: What happens outside

    /// Appends a record, `age` milliseconds old, and returns its id.
    @discardableResult
    mutating func append(_ stream: Int64 = 1, age: Int64 = 0, bytes: Int = 10, quiet isQuiet: Bool = false) -> Int64 {
        lastID += 1
        let header = RecordHeader(id: lastID, stream: stream, timestamp: now.wall - age, byteCount: bytes)
        pending.append(header)
        streamOf[lastID] = stream
        trace.append(.append(header, quiet: isQuiet))
        if isQuiet {
            quiet.insert(lastID)
            plan.quiet.insert(lastID)
        }
        plan.wake()
        return lastID
    }

    mutating func advance(_ milliseconds: Int64) {
        now.wall += milliseconds
        now.monotonic += milliseconds
        trace.append(.advance(milliseconds))
    }

    /// Sets the time of day.
    mutating func setClock(by milliseconds: Int64) {
        now.wall += milliseconds
        lastArrival = min(lastArrival, now.wall)
        clockError? += milliseconds
        clockWasSet = true
        trace.append(.setClock(milliseconds))
    }

    mutating func flush() {
        trace.append(.flush(through: lastID))
        flushTarget = lastID
        retryAt = [:]
        plan.flush(through: lastID)
    }

    /// The process dies; another begins with what the spool knows. Of the batches on their way every other one arrived.
    mutating func restart() {
        trace.append(.restart)
        for (range, ids) in onTheWay {
            inDoubt.formUnion(ids)
            if range.first.isMultiple(of: 2) { arrive(ids) }
        }
        onTheWay = []
        plan = UploadPlan(limits: limits, pacing: pacing)
        deliveries.forEach { plan.restore($0) }
        if clockError != nil { now.serviceOffset = nil }
        quiet = []
        retryAt = [:]
        lastPut = [:]
        nextPut = 0
        nextRetry = 0
        failing = []
    }

    /// A full spool drops the oldest of its records that are in no delivery.
    mutating func drop(_ count: Int) {
        let ids = pending.filter { record in !deliveries.contains { isIn(record, $0) } }.prefix(count).map(\.id)
        trace.append(.drop(ids))
        dropped.formUnion(ids)
        pending.removeAll { ids.contains($0.id) }
    }

    private func isIn(_ record: RecordHeader, _ range: BatchRange) -> Bool {
        record.stream == range.stream && (range.first...range.last).contains(record.id)
            && record.timestamp <= range.latest
    }

    // MARK: What the uploader does

    /// Takes steps until there is nothing to do. Returns until when, on the monotonic clock.
    @discardableResult
    mutating func settle() throws(Broken) -> Int64? {
        // Each stream may look at all records, one at a time.
        let bound = steps + 100 + (20 + Set(streamOf.values).count) * pending.count
        while steps < bound {
            guard case .wait(let until) = try step() else { continue }
            if onTheWay.isEmpty { return until }
            try answer(0)
        }
        throw broken("the plan goes on without getting anywhere")
    }

    /// Lets time go on from wait to wait, until nothing happens by itself.
    mutating func settleForGood() throws(Broken) {
        let bound = steps + 1_000 + 50 * pending.count
        while let until = try settle() {
            guard steps < bound else { throw broken("the plan never comes to an end") }
            advance(until - now.monotonic)
        }
    }

    @discardableResult
    mutating func step() throws(Broken) -> UploadPlan.Step {
        steps += 1
        guard steps < 1_000_000 else { throw broken("the test has no end") }
        let step = plan.next(at: now)
        trace.append(.step(step))
        switch step {
        case .scan(let after):
            let headers = pending.filter { $0.id > after }.prefix(pageSize)
            plan.found(Array(headers), isLast: headers.count < pageSize)
        case .catchUp(let stream, let after, let through):
            let rows = pending.filter { $0.id > after && $0.id <= through }.prefix(pageSize)
            longestLook = max(longestLook, rows.count)
            let isLast = rows.count < pageSize
            plan.found(
                rows.filter { $0.stream == stream },
                isLast: isLast,
                rows: rows.count,
                through: isLast ? through : rows.last?.id
            )
        case .reject(let records):
            try reject(records)
            plan.rejected(records)
        case .send(let range, let ids):
            try send(range, ids)
        case .wait(let until):
            try checkWait(until)
        }
        return step
    }

    /// Takes a step, and has whatever is on its way answered.
    mutating func stepAndAnswer() throws(Broken) {
        try step()
        while !onTheWay.isEmpty { try answer(0) }
    }

    private mutating func send(_ range: BatchRange, _ known: [Int64]) throws(Broken) {
        let batch = pending.filter { isIn($0, range) }
        let found = pending.filter {
            known.contains($0.id) && $0.stream == range.stream && $0.timestamp <= range.latest
        }
        guard known.isEmpty || found == batch, known == known.sorted() else {
            throw broken("\(range) is not \(known)")
        }
        if batch.isEmpty, !dropped.isEmpty {
            // The note of it goes with its last record.
            deliveries.removeAll { $0 == range }
            notePut(range)
            return plan.vanished(range)
        }
        try check(batch, range)
        let ids = batch.map(\.id)
        sent.append(ids)
        if !known.isEmpty { sparse.append(ids) }
        if !deliveries.contains(range) { deliveries.append(range) }
        onTheWay.append((range, ids))
        notePut(range)
    }

    private mutating func notePut(_ range: BatchRange) {
        lastPut[range.stream] = now.monotonic
        if failing.contains(range.stream) { nextRetry = now.monotonic + 100 }
        nextPut = now.monotonic + (pacing.putsPerSecond.map { (999 + Int64($0)) / Int64($0) } ?? 0)
    }

    /// The service answers one of the batches on their way.
    mutating func answer(_ index: Int) throws(Broken) {
        steps += 1
        let (range, ids) = onTheWay.remove(at: index)
        let answer = answer(range, ids)
        trace.append(.answer(answer))
        switch answer {
        case .accepted:
            let early = leaveOut(of: ids)
            let taken = ids.filter { early?.ids.contains($0) != true }
            arrive(taken)
            if plan.isWhole(range) { try checkIsWhole(range) }
            remove(range, taken)
            recover(range.stream)
            var part = range
            part.latest = early.map { min(range.latest, $0.from - 1) } ?? range.latest
            plan.delivered(range, taken: part)
            if let early { plan.leftOut(range, from: early.ids.min() ?? 0, until: early.until) }
        case .failed(let delay):
            inDoubt.formUnion(ids)
            retryAt[range.stream] = now.monotonic + delay
            failing.insert(range.stream)
            plan.failed(range, retryAt: now.monotonic + delay)
        case .invalid:
            recover(range.stream)
            if ids.count > 1 {
                deliveries.removeAll { $0 == range }
                halves.formUnion(range.halves(ids))
                plan.split(range, ids: ids)
            } else {
                try reject([RefusedRecord(id: ids[0], reason: .invalid)])
                remove(range, ids)
                plan.delivered(range)
            }
        case .death(let arrived):
            inDoubt.formUnion(ids)
            if arrived { arrive(ids) }
            restart()
        }
    }

    /// What of a batch the service calls too new, as its answer tells how far our clock is ahead; and until when, by ours.
    private mutating func leaveOut(of ids: [Int64]) -> (ids: Set<Int64>, from: Int64, until: Int64)? {
        guard let clockError else { return nil }
        now.serviceOffset = -clockError
        let newest = now.wall - clockError + BatchLimits.maximumAhead
        let batch = pending.filter { ids.contains($0.id) }
        guard let first = batch.map(\.timestamp).filter({ $0 > newest }).min() else { return nil }
        let until = first - BatchLimits.maximumAhead + clockError
        return (Set(batch.filter { $0.timestamp >= first }.map(\.id)), first, max(until, now.wall + 60_000))
    }

    private mutating func recover(_ stream: Int64) {
        if failing.remove(stream) != nil { nextRetry = 0 }
    }

    private mutating func arrive(_ ids: [Int64]) {
        lastArrival = now.wall
        for id in ids { arrivals[id, default: 0] += 1 }
    }

    private mutating func remove(_ range: BatchRange, _ ids: [Int64]) {
        deliveries.removeAll { $0 == range }
        let ids = Set(ids)
        pending.removeAll { ids.contains($0.id) }
    }

    private mutating func reject(_ records: [RefusedRecord]) throws(Broken) {
        let ids = Set(records.map(\.id))
        let known = pending.count
        pending.removeAll { ids.contains($0.id) }
        guard known - pending.count == ids.subtracting(dropped).count else {
            throw broken("rejects what is not pending: \(records)")
        }
        rejected += records.filter { !dropped.contains($0.id) }
    }

    // MARK: The promises

    private func check(_ batch: [RecordHeader], _ range: BatchRange) throws(Broken) {
        guard let first = batch.first else { throw broken("an empty batch") }
        let bytes = batch.reduce(0) { $0 + max(1, $1.byteCount) + 26 }
        let times = batch.map(\.timestamp)
        let isLate = (times.min() ?? 0) + limits.age <= now.wall
        // A batch that was late when it was gathered is not late any more when the clock was set back since, or when its
        // oldest records were dropped.
        let wasLate = clockWasSet || dropped.contains { (range.first...range.last).contains($0) }
        let mayBeFull = isLate || wasLate || halves.contains(range)
        guard batch.count <= (mayBeFull ? BatchLimits.maximumCount : limits.count) else {
            throw broken("a batch of \(batch.count)")
        }
        guard onTheWay.count < pacing.inFlight else { throw broken("too many batches on their way") }
        guard onTheWay.allSatisfy({ Set($0.ids).isDisjoint(with: batch.map(\.id)) }) else {
            throw broken("sends what is on its way")
        }
        guard now.monotonic >= nextPut,
            now.monotonic >= (lastPut[first.stream] ?? .min) + pacing.interval || lastPut[first.stream] == nil
        else { throw broken("sent too soon after another") }
        guard !failing.contains(range.stream) || now.monotonic >= nextRetry else { throw broken("retries too fast") }
        guard batch.count == 1 || bytes <= limits.bytes else { throw broken("a batch of \(bytes) bytes") }
        guard batch.allSatisfy({ $0.byteCount <= limits.messageBytes }) else { throw broken("a message too long") }
        guard (times.max() ?? 0) - (times.min() ?? 0) <= 86_400_000 else { throw broken("a batch over a day") }
        guard (retryAt[first.stream] ?? 0) <= now.monotonic else { throw broken("sent before its time") }
        // What may have arrived is sent with the same boundaries, and before anything else of its stream.
        let doubtful = deliveries.first { delivery in
            delivery.stream == range.stream && !onTheWay.contains { $0.range == delivery }
        }
        if let doubtful, doubtful.first < range.first, !deliveries.contains(range) {
            throw broken("\(range) is sent while \(doubtful) is in doubt")
        }
    }

    private mutating func checkIsWhole(_ range: BatchRange) throws(Broken) {
        whole += 1
        let others = pending.filter { (range.first...range.last).contains($0.id) && !isIn($0, range) }
        guard others.isEmpty else { throw broken("\(range) counts as whole, and has \(others) in it") }
    }

    /// Nothing that asks to be sent is forgotten, and nobody turns in circles.
    private func checkWait(_ until: Int64?) throws(Broken) {
        if let until, until <= now.monotonic { throw broken("waits until \(until), which has passed") }
        // What waits for a batch to come home has no time, and whether a record is early only the service knows where it has
        // a clock of its own.
        guard onTheWay.isEmpty, clockError == nil else { return }
        for record in pending where chosen?.contains(record.stream) ?? true {
            guard !quiet.contains(record.id) || record.id <= flushTarget else { continue }
            var due = max(0, record.timestamp + limits.age - now.wall)
            let early = record.timestamp - BatchLimits.maximumAhead - now.wall
            // What is early is looked at again a little later than it could be.
            if early > 0 { due = early + max(limits.age, 1_000) }
            // A batch that is full by the setting may wait for a tenth of a second, and those behind it with it.
            let paced = max(nextPut, lastPut[record.stream].map { $0 + max(pacing.interval, 100) } ?? 0)
            let retry = failing.contains(record.stream) ? nextRetry : 0
            let latest = max(retryAt[record.stream] ?? 0, now.monotonic + due, paced, retry)
            guard let until, until <= latest else {
                throw broken("waits until \(until.map(String.init) ?? "ever"), though \(record) is due at \(latest)")
            }
        }
    }

    func broken(_ what: String) -> Broken {
        Broken(description: "\(what)\nat \(now) after:\n\(trace.suffix(60).map { "\($0)" }.joined(separator: "\n"))")
    }
}
