import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("A doubt whether the disk has something")
struct DoubtTests {
    @Test("what fails while something is written again stays in doubt")
    func doubtMeanwhile() throws {
        let doubt = Doubt(clock: { 0 })
        var states = [doubt.isThere]
        var resolved = [try doubt.resolve(at: "") {}]
        doubt.raise()
        resolved.append(try doubt.resolve(at: "") { doubt.raise() })
        states.append(doubt.isThere)
        let error = spoolError {
            _ = try doubt.resolve(at: "") { () throws(SpoolError) in throw .superseded("") }
        }
        #expect(error?.kind == .superseded)
        states.append(doubt.isThere)
        resolved.append(try doubt.resolve(at: "") { states.append(doubt.isThere) })
        states.append(doubt.isThere)
        #expect(resolved == [false, true, true])
        #expect(states == [false, true, true, true, false])
    }

    @Test("what the disk does not take is not tried again for ten times as long as that took; a lock is")
    func pause() throws {
        let now = Atomic<UInt64>(1_000)
        let doubt = Doubt(clock: { now.load(ordering: .relaxed) })
        doubt.raise()
        func resolve(_ kind: SpoolError.Kind) -> String? {
            let error = spoolError {
                _ = try doubt.resolve(at: "") { () throws(SpoolError) in
                    now.add(50, ordering: .relaxed)
                    throw SpoolError(kind, path: "", message: "tried")
                }
            }
            return error?.message
        }
        #expect(resolve(.busy) == "tried")
        #expect(resolve(.failedIO) == "tried")
        now.add(499, ordering: .relaxed)
        #expect(resolve(.failedIO)?.contains("could not be written again") == true)
        now.add(1, ordering: .relaxed)
        #expect(resolve(.failedIO) == "tried")
    }
}
