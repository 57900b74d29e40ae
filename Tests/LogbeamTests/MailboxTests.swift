import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import Logbeam

@Suite("What the uploader is told", .onOwnThreads)
struct MailboxTests {
    private let mailbox = Mailbox()
    private let isSent = Monitor<[String: Bool]>([:])

    private func flush(_ name: String) {
        mailbox.flush { [isSent] result in isSent.withLock { $0[name] = result } }
    }

    @Test("is not missed where it came between its last look and its sleep", arguments: [(1, Int.max), (Int.max, 100)])
    func betweenLookAndSleep(records: Int, bytes: Int) {
        let mark = mailbox.mark
        mailbox.appended(bytes: 100)
        let longest: Int64 = 60_000
        let time = ContinuousClock().measure {
            mailbox.wait(
                until: MonotonicClock.milliseconds() + longest,
                since: mark,
                room: (records: records, bytes: bytes)
            )
        }
        #expect(time < .milliseconds(longest))
    }

    @Test("asks once for all flushes that wait for the same records, and not for those that nobody waits for any more")
    func staleFlushes() {
        var asked = 0
        func update() {
            mailbox.updateFlushes(target: { 7 }) { _ in
                asked += 1
                return false
            }
        }
        let numbers = (0..<100).map { _ in mailbox.flush { _ in } }
        update()
        update()
        #expect(asked == 2)
        for number in numbers { mailbox.forgetFlush(number) }
        update()
        asked = 0
        update()
        #expect(asked == 0)
        // One that was given up before anybody has looked asks for its flush all the same.
        var hasTarget = false
        mailbox.forgetFlush(mailbox.flush { _ in })
        mailbox.updateFlushes(
            target: {
                hasTarget = true
                return 8
            },
            isDone: { _ in false }
        )
        #expect(hasTarget)
        update()
        #expect(asked == 0)
    }

    @Test("keeps nothing for an uploader that is no more")
    func quietForEver() {
        mailbox.appendQuietly { (1, ()) }
        #expect(mailbox.takeQuiet() == [1])
        mailbox.stop()
        mailbox.appendQuietly { (2, ()) }
        #expect(mailbox.takeQuiet() == [])
    }

    private struct Unwritable: Error {}

    @Test("includes which record is quiet before it is looked at; who does not say so is waited for once")
    func waitForQuiet() {
        let (now, later) = (MonotonicClock.milliseconds(), MonotonicClock.milliseconds() + 120_000)
        #expect(mailbox.waitForQuiet(until: now))
        mailbox.appendQuietly {
            #expect(!mailbox.waitForQuiet(until: now))
            #expect(mailbox.waitForQuiet(until: now))
            return (1, ())
        }
        #expect(mailbox.takeQuiet() == [1])
        // One that is not written after all.
        #expect(throws: Unwritable.self) {
            try mailbox.appendQuietly { () throws -> (Int64, Void) in throw Unwritable() }
        }
        #expect(mailbox.waitForQuiet(until: now))
        #expect(mailbox.takeQuiet() == [])
        // Nobody waits for one that goes on where all is to end.
        mailbox.appendQuietly {
            mailbox.stop()
            #expect(mailbox.waitForQuiet(until: later))
            return (2, ())
        }
    }

    @Test("does not wait for quiet records without end where there is always one on its way")
    func quietWithoutEnd() async throws {
        let begun = Monitor((count: 0, isOver: false))
        // Each ends when another has begun.
        let append: @Sendable () -> Void = { [mailbox] in
            while !begun.withLock({ $0.isOver }) {
                mailbox.appendQuietly {
                    let number = begun.withLock { begun in
                        begun.count += 1
                        return begun.count
                    }
                    _ = begun.wait(within: .seconds(120)) { $0.count > number || $0.isOver ? true : nil }
                    return (Int64(number), ())
                }
            }
        }
        async let one: Void = onOwnThread(append)
        async let other: Void = onOwnThread(append)
        let isDone = try await onOwnThread { [mailbox] in
            _ = begun.wait(within: .seconds(120)) { $0.count > 2 ? true : nil }
            return mailbox.waitForQuiet(until: MonotonicClock.milliseconds() + 10_000)
        }
        begun.withLock { $0.isOver = true }
        _ = try await (one, other)
        #expect(isDone)
    }

    @Test("ends the flushes that it has heard of, and no others, where nothing can be sent; at the end all of them")
    func endFlushes() {
        flush("early")
        mailbox.updateFlushes(target: { 1 }, isDone: { _ in false })
        flush("late")
        mailbox.endFlushes()
        #expect(isSent.withLock { $0 } == ["early": false])
        mailbox.updateFlushes(target: { 2 }, isDone: { $0 == 2 })
        #expect(isSent.withLock { $0 } == ["early": false, "late": true])
        flush("last")
        mailbox.stop()
        mailbox.endFlushes()
        flush("too late")
        #expect(isSent.withLock { $0 } == ["early": false, "late": true, "last": false, "too late": false])
    }
}
