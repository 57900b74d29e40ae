internal import LogbeamCore
internal import Synchronization

/// What is not delivered: counted, and told in the stream itself.
extension Spool {
    /// Notes that records of a stream never reached the spool. The stream is yet to be told: see ``tellGap(_:)``.
    package func noteGap(_ gap: Gap) throws(SpoolError) {
        try write { writer throws(SpoolError) in try writer.gaps.add(gap, isTold: false) }
        mayHaveUntoldGaps.store(true, ordering: .releasing)
    }

    /// Notes gaps of several streams, and how far something has come: all of that or nothing. The ids of the streams in them
    /// are not looked at.
    func noteGaps(
        _ gaps: [(destination: Destination, gap: Gap)],
        progress: AppendProgress? = nil
    ) throws(SpoolError) {
        try write { writer throws(SpoolError) in
            try writer.connection.transaction { () throws(SpoolError) in
                for (destination, gap) in gaps {
                    var gap = gap
                    gap.stream = try writer.streamID(for: destination)
                    try writer.gaps.add(gap, isTold: false)
                }
                if let progress { try writer.note(progress) }
            }
        }
        mayHaveUntoldGaps.store(true, ordering: .releasing)
    }

    /// The gaps that their streams have not been told of, each with its count so far.
    package func untoldGaps() throws(SpoolError) -> [Gap] {
        guard mayHaveUntoldGaps.exchange(false, ordering: .acquiring) else { return [] }
        do throws(SpoolError) {
            let gaps = try write { writer throws(SpoolError) in try writer.gaps.untold() }
            if !gaps.isEmpty { mayHaveUntoldGaps.store(true, ordering: .relaxed) }
            return gaps
        } catch {
            mayHaveUntoldGaps.store(true, ordering: .relaxed)
            throw error
        }
    }

    /// Tells of a gap by a record in its stream: ``Gap/description``, with what is known by now. It happens once, whoever
    /// else does the same, and needs room like any record. True if it was done by this call.
    package func tellGap(_ gap: Gap) throws(SpoolError) -> Bool {
        let cost = SpoolLimit.cost(ofMessage: Gap.longestDescription)
        return try withRoom(for: cost, mayBlock: false) { deadline throws(SpoolError) in
            try queue.write(until: deadline) { writer throws(SpoolError) in
                try writer.tellGap(stream: gap.stream, reason: gap.reason)
            }
        }
    }
}
