import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("BatchForecast says what UploadPlan would do")
struct BatchForecastTests {
    private static let now = UploadPlan.Moment(wall: 1_790_000_000_000, monotonic: 5_000)
    private static let limits = BatchLimits(count: 5, bytes: 400, messageBytes: 200, age: 1_000)

    @Test("as many batches and records of each stream as the plan sends on a flush", arguments: 1...200)
    func asThePlan(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var uploader = SimulatedUploader(limits: Self.limits)
        for _ in 0..<Int.random(in: 0...60, using: &random) {
            uploader.append(
                .random(in: 1...3, using: &random),
                age: .random(in: 0...60_000, using: &random),
                bytes: .random(in: 0...210, using: &random)
            )
        }
        var forecast = BatchForecast(limits: Self.limits, inDoubt: [], now: uploader.now.wall)
        for header in uploader.pending { forecast.add(header) }

        uploader.flush()
        try uploader.settle()
        var batches: [Int64: Int] = [:]
        var records: [Int64: Int] = [:]
        for ids in uploader.sent {
            let stream = try #require(ids.first.flatMap { uploader.streamOf[$0] })
            batches[stream, default: 0] += 1
            records[stream, default: 0] += ids.count
        }
        #expect(forecast.streams.mapValues(\.batches).filter { $1 > 0 } == batches)
        #expect(forecast.streams.mapValues(\.records).filter { $1 > 0 } == records)
        #expect(forecast.streams.values.reduce(0) { $0 + $1.refused } == uploader.rejected.count)
    }

    @Test("counts a batch in doubt as it is, what is refused, and what must wait")
    func fates() throws {
        let day: Int64 = 86_400_000
        let inDoubt = BatchRange(stream: 1, first: 1, last: 2, latest: Self.now.wall)
        var forecast = BatchForecast(limits: Self.limits, inDoubt: [inDoubt], now: Self.now.wall)
        for (id, age, bytes) in [(1, 0, 5), (2, 0, 6), (3, 0, 7), (4, 15 * day, 8), (5, -day, 9), (6, 0, 300)]
            as [(Int64, Int64, Int)]
        {
            forecast.add(RecordHeader(id: id, stream: 1, timestamp: Self.now.wall - age, byteCount: bytes))
        }
        let stream = try #require(forecast.streams[1])
        #expect((stream.records, stream.bytes, stream.batches) == (3, 18, 2))
        #expect((stream.refused, stream.early) == (2, 1))
    }
}
