import Foundation
import LogbeamCore
import Testing

@testable import LogbeamCloudWatch

@Suite("Request encoder")
struct RequestEncoderTests {
    private struct Body: Decodable, Equatable {
        struct Event: Decodable, Equatable {
            var timestamp: Int64
            var message: String
        }

        var logGroupName: String
        var logStreamName: String?
        var logEvents: [Event]?
    }

    private let destination = Destination(logGroup: "/aws/group", logStream: "stream \"é\"")

    @Test("writes a batch as PutLogEvents wants it, byte for byte")
    func batch() {
        var batch = EventBatch(destination: destination)
        batch.append(id: 1, timestamp: 1_700_000_000_123, message: Array("first \"one\"\n".utf8))
        batch.append(id: 1, timestamp: 1_700_000_000_124, message: [])
        batch.append(id: 1, timestamp: 0, message: [0x61, 0xFF, 0x62])
        batch.append(id: 1, timestamp: .min, message: Array("🌍".utf8))
        #expect(
            String(decoding: RequestEncoder.body(batch), as: UTF8.self)
                == #"{"logGroupName":"/aws/group","logStreamName":"stream \"é\"","logEvents":["#
                + #"{"timestamp":1700000000123,"message":"first \"one\"\n"},"#
                + #"{"timestamp":1700000000124,"message":" "},"#
                + #"{"timestamp":0,"message":"a\#u{FFFD}b"},"#
                + #"{"timestamp":-9223372036854775808,"message":"🌍"}]}"#
        )
    }

    @Test("writes an empty batch, and what creates group and stream")
    func others() throws {
        let decoder = JSONDecoder()
        let name = destination.logGroup
        #expect(
            try decoder.decode(Body.self, from: Data(RequestEncoder.body(EventBatch(destination: destination))))
                == Body(logGroupName: name, logStreamName: destination.logStream, logEvents: [])
        )
        #expect(
            try decoder.decode(Body.self, from: Data(RequestEncoder.body(creating: destination)))
                == Body(logGroupName: name, logStreamName: destination.logStream)
        )
        #expect(
            try decoder.decode(Body.self, from: Data(RequestEncoder.body(creatingLogGroup: name, CreationSettings())))
                == Body(logGroupName: name)
        )
    }

    @Test("writes the settings of a group as CreateLogGroup and PutRetentionPolicy want them, and no more")
    func groupSettings() {
        func text(_ change: (inout CreationSettings) -> Void) -> String {
            var settings = CreationSettings()
            change(&settings)
            return String(decoding: RequestEncoder.body(creatingLogGroup: "g", settings), as: UTF8.self)
        }
        #expect(text { $0.retentionDays = 7 } == #"{"logGroupName":"g"}"#)
        #expect(text { $0.logGroupClass = "DELIVERY" } == #"{"logGroupName":"g","logGroupClass":"DELIVERY"}"#)
        #expect(
            text {
                $0.logGroupClass = "INFREQUENT_ACCESS"
                $0.tags = ["b": "", "a \"": "é"]
                $0.kmsKeyID = "arn:k"
            }
                == #"{"logGroupName":"g","kmsKeyId":"arn:k","tags":{"a \"":"é","b":""},"#
                + #""logGroupClass":"INFREQUENT_ACCESS"}"#
        )
        #expect(
            String(decoding: RequestEncoder.body(settingRetentionOf: "g", days: 3653), as: UTF8.self)
                == #"{"logGroupName":"g","retentionInDays":3653}"#
        )
    }

    @Test("writes what Foundation reads back, whatever the bytes", arguments: [1, 2, 3] as [UInt64])
    func randomBytes(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        for _ in 0..<200 {
            var batch = EventBatch(destination: destination)
            var expected: [Body.Event] = []
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                let message = (0..<Int.random(in: 1...100, using: &random)).map { _ in
                    UInt8.random(in: 0...(Bool.random(using: &random) ? 127 : 255), using: &random)
                }
                let timestamp = Int64.random(in: 0...4_000_000_000_000, using: &random)
                batch.append(id: 1, timestamp: timestamp, message: message)
                expected.append(Body.Event(timestamp: timestamp, message: String(decoding: message, as: UTF8.self)))
            }
            let body = try JSONDecoder().decode(Body.self, from: Data(RequestEncoder.body(batch)))
            #expect(body.logEvents == expected)
        }
    }
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
