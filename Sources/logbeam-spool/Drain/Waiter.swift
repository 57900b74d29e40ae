internal import LogbeamSpool

/// Waits beside a process that uploads, until that has shipped what was pending, or has made room for us.
struct Waiter {
    enum End {
        /// All that was pending has left the spool.
        case empty
        /// The other process has ended, or has hung for too long.
        case lease(UploadLease)
        case stopped(Stop.Cause)
    }

    let spool: Spool
    let stop: Stop

    func run() throws -> End {
        var seeker = LeaseSeeker(spool: spool)
        let reader = try SpoolReader(path: spool.path)
        var target = try requestFlush(reader)
        var isSecondRound = false
        while true {
            if let lease = try stop.patiently({ () throws(SpoolError) in try seeker.seek() }) { return .lease(lease) }
            if try !reader.hasRecords(through: target) {
                // As with a drain of our own: what came meanwhile is waited for too, once.
                if isSecondRound { return .empty }
                if try !reader.hasRecords(through: .max) { return .empty }
                isSecondRound = true
                target = try requestFlush(reader)
            }
            if let cause = stop.cause { return .stopped(cause) }
            stop.wait(until: MonotonicClock.milliseconds() + seeker.pause(chance: .random(in: 0..<1)))
        }
    }

    /// Asks the other process to send everything up to now. Returns the id up to which.
    private func requestFlush(_ reader: SpoolReader) throws -> Int64 {
        let target = try reader.lastID() ?? 0
        try stop.patiently { () throws(SpoolError) in try spool.requestFlush(through: target) }
        return target
    }
}
