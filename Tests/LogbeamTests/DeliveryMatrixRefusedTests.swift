import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

/// What the service does not take of a batch, and what becomes of the rest.
@Suite("Every record that is refused stands in rejected, and only that")
struct DeliveryMatrixRefusedTests {
    typealias Consequence = Delivery.Consequence

    /// The messages are the numbers from 0.
    private static func log(_ count: Int, by delivery: Delivery) throws {
        try delivery.log((0..<count).map(String.init))
        try delivery.log(["one"], to: Delivery.healthy)
    }

    // MARK: Poison

    struct Poison: CustomTestStringConvertible, Sendable {
        var count: Int
        var guilty: [Int]

        var testDescription: String { "\(guilty) of \(count)" }

        /// Each guilty record is alone after as many halvings as it takes, and each halving costs two requests.
        var mostPuts: Int {
            let halvings = (0...).first { 1 << $0 >= count } ?? 0
            return 1 + 2 * halvings * guilty.count
        }
    }

    @Test(
        "finds what is guilty by halving, and delivers the rest once",
        arguments: [
            Poison(count: 1, guilty: [0]), Poison(count: 2, guilty: [0]), Poison(count: 2, guilty: [1]),
            Poison(count: 10, guilty: [0]), Poison(count: 10, guilty: [4]), Poison(count: 10, guilty: [9]),
            Poison(count: 1_000, guilty: [0]), Poison(count: 1_000, guilty: [617]),
            Poison(count: 1_000, guilty: [999]), Poison(count: 10_000, guilty: [6_172]),
            Poison(count: 10, guilty: [4, 5]), Poison(count: 8, guilty: [0, 1, 2, 3, 4, 5, 6, 7]),
            Poison(count: 1_000, guilty: [0, 999]), Poison(count: 1_000, guilty: [100, 101, 500, 731]),
        ]
    )
    func poison(_ poison: Poison) async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            let guilty = Set(poison.guilty.map(String.init))
            delivery.endpoint.setScript { info in
                let isGuilty =
                    info.destination == Delivery.troubled && info.events.contains { guilty.contains($0.message) }
                return isGuilty ? .status(400, errorType: "InvalidParameterException") : nil
            }
            try Self.log(poison.count, by: delivery)
            try delivery.deliver()
            let puts = try delivery.consequence.puts
            #expect(puts <= poison.mostPuts)
            let rejected = poison.guilty.map { "invalid|\($0)" }
            #expect(try delivery.consequence == Consequence(puts: puts, rejected: rejected))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("halves what a proxy finds too large until it gets through, and gives up only what never will")
    func tooLargeForProxy() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            delivery.endpoint.setScript { $0.bodySize > 2_000 ? .nonJSONAnswer(status: 413) : nil }
            let long = String(repeating: "x", count: 2_000)
            try delivery.log((0..<20).map { "\($0)" + String(repeating: " ", count: 200) })
            try delivery.log([long])
            try delivery.deliver()
            let consequence = try delivery.consequence
            #expect(consequence == Consequence(puts: consequence.puts, rejected: ["invalid|\(long)"]))
            try delivery.expectEverythingSettled()
        }
    }

    // MARK: Part of a batch

    struct Part: CustomTestStringConvertible, Sendable {
        var refused: RefusedEvents
        /// Of five records, the numbers from 0.
        var rejected: [String]

        var testDescription: String {
            let indices = [refused.tooOldEnd, refused.expiredEnd, refused.tooNewStart]
            return indices.map { $0.map(String.init) ?? "-" }.joined(separator: " ")
        }
    }

    /// The ends are exclusive and the start is inclusive: RejectedLogEventsInfo in the API Reference.
    @Test(
        "puts aside what an accepted batch names, with its reason",
        arguments: [
            Part(refused: .init(tooOldEnd: 1), rejected: ["too old|0"]),
            Part(refused: .init(tooOldEnd: 4), rejected: (0..<4).map { "too old|\($0)" }),
            Part(refused: .init(tooOldEnd: 5), rejected: (0..<5).map { "too old|\($0)" }),
            Part(refused: .init(expiredEnd: 1), rejected: ["expired|0"]),
            Part(refused: .init(expiredEnd: 5), rejected: (0..<5).map { "expired|\($0)" }),
            Part(refused: .init(tooNewStart: 4), rejected: ["too new|4"]),
            Part(refused: .init(tooNewStart: 0), rejected: (0..<5).map { "too new|\($0)" }),
            Part(refused: .init(tooOldEnd: 1, tooNewStart: 4), rejected: ["too old|0", "too new|4"]),
            Part(
                refused: .init(tooOldEnd: 2, tooNewStart: 2),
                rejected: ["too old|0", "too old|1"] + (2..<5).map { "too new|\($0)" }
            ),
            Part(
                refused: .init(tooOldEnd: 1, expiredEnd: 2, tooNewStart: 3),
                rejected: ["expired|0", "expired|1", "too new|3", "too new|4"]
            ),
            Part(
                refused: .init(tooOldEnd: 2, expiredEnd: 1, tooNewStart: 4),
                rejected: ["expired|0", "too old|1", "too new|4"]
            ),
        ]
    )
    func part(_ part: Part) async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            delivery.fail([.refusing(part.refused)])
            try Self.log(5, by: delivery)
            try delivery.deliver()
            #expect(try delivery.consequence == Consequence(puts: 1, rejected: part.rejected))
            try delivery.expectEverythingSettled()
        }
    }

    // MARK: Time

    private static let day: Int64 = 24 * 3_600_000
    private static let hour: Int64 = 3_600_000
    /// By which the service's clock may differ without a signature being refused.
    private static let skew: Int64 = 4 * 60_000

    @Test("never sends what is older than 14 days, and sends what is just as old")
    func tooOld() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            // As long as the service has not told its time, it is the one to say what is too old.
            try delivery.log(["first"], at: 0)
            try delivery.deliver()
            try delivery.log(["older"], at: -14 * Self.day - 1)
            try delivery.log(["just as old"], at: -14 * Self.day)
            try delivery.deliver()
            #expect(try delivery.consequence == Consequence(puts: 2, rejected: ["too old|older"]))
            #expect(delivery.endpoint.records.requests.flatMap(\.events).map(\.message) == ["first", "just as old"])
            try delivery.expectEverythingSettled()
        }
    }

    @Test(
        "takes the word of the service for what its clock calls too old or too new, to the millisecond",
        arguments: [skew, -skew]
    )
    func clockOfService(skew: Int64) async throws {
        try await onOwnThread {
            let delivery = try Delivery(skew: skew)
            if skew > 0 {
                try delivery.log(["older"], at: skew - 14 * Self.day - 1)
                try delivery.log(["in time"], at: skew - 14 * Self.day)
            } else {
                try delivery.log(["in time"], at: skew + 2 * Self.hour)
                try delivery.log(["newer"], at: skew + 2 * Self.hour + 1)
            }
            try delivery.deliver()
            let rejected = skew > 0 ? "too old|older" : "too new|newer"
            #expect(try delivery.consequence == Consequence(puts: 1, rejected: [rejected]))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("puts aside what has expired by the retention of the group, to the millisecond")
    func expired() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            delivery.endpoint.setRetention(days: 3, ofGroup: Delivery.troubled.logGroup)
            try delivery.log(["expired"], at: -3 * Self.day - 1)
            try delivery.log(["kept"], at: -3 * Self.day)
            try delivery.deliver()
            #expect(try delivery.consequence == Consequence(puts: 1, rejected: ["expired|expired"]))
            try delivery.expectEverythingSettled()
        }
    }

    @Test("puts aside what grew too old while the service was down")
    func growsTooOld() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            delivery.fail([.answer(503), .answer(503), .answer(503)])
            // Waits for 200, 400 and 800 ms.
            try delivery.log(["too late"], at: 1_399 - 14 * Self.day)
            try delivery.log(["just in time"], at: 1_400 - 14 * Self.day)
            try delivery.deliver()
            let consequence = try delivery.consequence
            #expect(consequence.puts == 4)
            #expect(consequence.rejected == ["too old|too late"])
            try delivery.expectEverythingSettled()
        }
    }

    @Test("holds back what lies more than two hours ahead, and sends it when its time has come")
    func tooFarAhead() async throws {
        try await onOwnThread {
            let delivery = try Delivery()
            try delivery.log(["far ahead"], at: 2 * Self.hour + 5_000)
            try delivery.log(["ahead"], at: 2 * Self.hour)
            #expect(try delivery.settle() == 5_000)
            #expect(delivery.endpoint.messages(in: Delivery.troubled) == ["ahead"])
            #expect(try delivery.status.pending == 1)
            delivery.advance(4_999)
            #expect(try delivery.settle() == 1)
            #expect(try delivery.consequence == Consequence(puts: 1))
            delivery.advance(1)
            try delivery.settle()
            #expect(try delivery.consequence == Consequence(puts: 2))
            try delivery.expectEverythingSettled()
        }
    }
}
