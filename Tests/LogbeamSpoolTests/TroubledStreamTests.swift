import LogbeamCore
import Testing

@testable import LogbeamSpool

@Suite("Failures in a row")
struct TroubledStreamTests {
    @Test("are there for the next process, stream by stream, until a delivery succeeds")
    func failures() throws {
        let test = try TestSpool()
        let start = WallClock.milliseconds()
        let reader = try SpoolReader(path: test.path)
        #expect(try reader.troubledStreams() == [])
        try test.append()
        for failures in 1...3 {
            try test.spool.noteFailure(stream: test.stream, message: "Timeout \(failures)", failures: failures)
        }
        try test.spool.noteFailure(stream: test.otherStream, message: "AccessDenied", failures: 12)
        // The next process.
        _ = try Spool(path: test.path)
        let troubled = try SpoolReader(path: test.path).troubledStreams()
        #expect(troubled.map(\.stream) == [test.stream, test.otherStream])
        #expect(troubled.map(\.failures) == [3, 12])
        #expect(troubled.allSatisfy { (start...WallClock.milliseconds()).contains($0.lastErrorTime) })

        try test.deliverAll()
        #expect(try reader.troubledStreams().map(\.stream) == [test.otherStream])
        #expect(try test.number("SELECT failures FROM streams WHERE id = \(test.stream)") == 0)
    }
}
