import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What a stream is to be told of", .onOwnThreads)
struct GapTests {
    private func gap(_ stream: Int64, records: Int = 1) -> Gap {
        Gap(stream: stream, reason: "test", records: records, first: 1, last: 2)
    }

    @Test("is told by one of several processes, and what comes later by whichever")
    func twoProcesses() throws {
        let test = try TestSpool(commitTimeout: .seconds(5))
        let other = try Spool(path: test.path)
        try test.spool.noteGap(gap(test.stream))
        for spool in [test.spool, other] { #expect(try spool.untoldGaps() == [gap(test.stream)]) }
        #expect(try other.tellGap(gap(test.stream)))
        for _ in 1...2 { #expect(try !test.spool.tellGap(gap(test.stream))) }
        try other.noteGap(gap(test.stream, records: 2))
        #expect(try test.spool.tellGap(gap(test.stream)))
        #expect(
            try messages(in: test.path).map { $0.contains("1 record dropped") ? 1 : $0.contains("2 records") ? 2 : 0 }
                == [1, 2]
        )
    }

    @Test("is not forgotten because the spool could not be read when it was looked for")
    func busy() throws {
        let test = try TestSpool(commitTimeout: .milliseconds(10))
        try test.spool.noteGap(gap(test.stream))
        #expect(test.spool.lock.tryLock())
        #expect(spoolError { _ = try test.spool.untoldGaps() }?.kind == .busy)
        test.spool.lock.unlock()
        #expect(try test.spool.untoldGaps() == [gap(test.stream)])
    }

    @Test("is looked for again when the service has refused something", arguments: [true, false])
    func refused(isAcknowledged: Bool) throws {
        let test = try TestSpool()
        #expect(try test.spool.untoldGaps() == [])
        let ids = try test.append(2)
        let refused = [RefusedRecord(id: ids[0], reason: .tooOld)]
        if isAcknowledged {
            try test.spool.begin(test.range(ids[0], ids[1]))
            try test.spool.acknowledgeAndFinish(test.range(ids[0], ids[1]), refused: refused, delivered: 1)
        } else {
            try test.spool.reject(refused)
        }
        #expect(try test.spool.untoldGaps().map(\.records) == [1])
    }
}
