import LogbeamCore
import Testing

/// Batches between whose records those of other streams lie.
extension UploadPlanTests {
    /// Stream 1, with so many records of others after each of its own; they are old enough to be sent.
    private static func uploader(others: Int64, records: Int = 4) -> SimulatedUploader {
        var uploader = SimulatedUploader(limits: BatchLimits(age: 1_000))
        for _ in 1...records {
            uploader.append(1, age: 1_000)
            for stream in 0..<others { uploader.append(2 + stream, age: 1_000) }
        }
        return uploader
    }

    @Test("gives the ids along with a batch that is sparse, and with no other", arguments: [3, 30] as [Int64])
    func sparse(others: Int64) throws {
        var uploader = Self.uploader(others: others)
        // Where it begins is no matter: all that lies before it is not looked at again.
        uploader.append(100, age: 1_000)
        uploader.append(100, age: 1_000)
        try uploader.settle()
        #expect(uploader.sent.first?.count == 4)
        #expect(uploader.sparse == (others == 30 ? uploader.sent.filter { $0.count == 4 } : []))
    }

    @Test("knows in what it catches up with how sparse it is", arguments: [3, 30] as [Int64])
    func sparseBehind(others: Int64) throws {
        var uploader = Self.uploader(others: others)
        uploader.pageSize = 50
        let firstID = uploader.append(1_000, age: 1_000)
        uploader.answer = { range, _ in range.first == firstID ? .failed(after: 1_000) : .accepted }
        try uploader.settle()
        // They come while their stream waits.
        var ids: [Int64] = []
        for _ in 1...6 {
            ids.append(uploader.append(1_000, age: 1_000))
            for _ in 1...others { uploader.append(2, age: 1_000) }
        }
        uploader.answer = { range, _ in range.stream == 1_000 ? .accepted : .failed(after: 100_000) }
        try uploader.settle()
        uploader.advance(1_000)
        try uploader.settle()
        #expect(uploader.sent.contains(ids))
        #expect(uploader.sparse.contains(ids) == (others == 30))
    }

    @Test("still knows the ids of a sparse batch when it is sent again, or in halves; of one in doubt nobody does")
    func sparseAgain() throws {
        var uploader = Self.uploader(others: 30)
        var answers: [SimulatedUploader.Answer] = [.failed(after: 10), .invalid, .death(arrived: false)]
        let next = { answers.isEmpty ? .accepted : answers.removeFirst() }
        uploader.answer = { range, _ in range.stream == 1 ? next() : .failed(after: 100_000) }
        try uploader.settle()
        uploader.advance(10)
        try uploader.settle()
        let ids: [Int64] = [1, 32, 63, 94]
        let ours = uploader.sent.filter { $0[0] % 31 == 1 }
        #expect(ours == [ids, ids, Array(ids[..<2]), Array(ids[..<2]), Array(ids[2...])])
        #expect(uploader.sparse.filter { $0[0] % 31 == 1 } == [ids, ids, Array(ids[..<2]), Array(ids[2...])])
    }

    @Test("catches up by bounded looks, also where there is nothing of the stream in one of them")
    func boundedLooks() throws {
        var uploader = SimulatedUploader()
        uploader.pageSize = 7
        uploader.answer = { range, _ in range.stream == 1 ? .failed(after: 1_000) : .accepted }
        uploader.append(1, age: 1_000)
        try uploader.settle()
        // The last of those that wait is quiet, and passed over.
        for _ in 1...3 {
            uploader.append(1, age: 1_000)
            for _ in 1...20 { uploader.append(2) }
        }
        uploader.append(1, quiet: true)
        try uploader.settle()
        uploader.answer = { range, _ in range.stream == 1 ? .accepted : .failed(after: 100_000) }
        uploader.advance(1_000)
        try uploader.settle()
        #expect(uploader.sent.filter { uploader.streamOf[$0[0]] == 1 } == [[1], [1], [2, 23, 44]])
        #expect(uploader.longestLook == 7)
    }
}
