import Synchronization
import Testing

@testable import LogbeamSpool

@Suite("Syncs that have failed")
struct SyncFailuresTests {
    @Test("what fails while something is written again stays a failure")
    func failingMeanwhile() throws {
        let failures = SyncFailures(clock: { 0 })
        var states = [failures.areThere]
        var resolved = [try failures.resolve(at: "") {}]
        failures.note()
        resolved.append(try failures.resolve(at: "") { failures.note() })
        states.append(failures.areThere)
        let error = spoolError {
            _ = try failures.resolve(at: "") { () throws(SpoolError) in throw .superseded("") }
        }
        #expect(error?.kind == .superseded)
        states.append(failures.areThere)
        resolved.append(try failures.resolve(at: "") { states.append(failures.areThere) })
        states.append(failures.areThere)
        #expect(resolved == [false, true, true])
        #expect(states == [false, true, true, true, false])
    }

    @Test("what the disk does not take is not tried again for ten times as long as that took; a lock is")
    func pause() throws {
        let now = Atomic<UInt64>(1_000)
        let failures = SyncFailures(clock: { now.load(ordering: .relaxed) })
        failures.note()
        func resolve(_ kind: SpoolError.Kind) -> String? {
            let error = spoolError {
                _ = try failures.resolve(at: "") { () throws(SpoolError) in
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
