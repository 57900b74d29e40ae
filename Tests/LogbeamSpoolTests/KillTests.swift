import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What append has returned", .onOwnThreads)
struct KillTests {
    @Test("is in the spool though the process is killed at any moment")
    func survives() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        var random = SeededGenerator(seed: 20_261_122)
        var promised: Set<Int64> = []
        for round in 1...25 {
            let process = try exerciser("append", path, 4)
            let target = Int.random(in: 1...3_000, using: &random)
            try process.waitForOutput { $0.utf8.count >= target }
            process.kill(SIGKILL)
            #expect(try process.wait().signal == SIGKILL)
            // A last line without its end may be cut.
            let lines = process.text().split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            let printed = lines.compactMap { Int64($0) }
            #expect(printed.count == lines.count)
            #expect(promised.isDisjoint(with: printed), "an id was used twice")
            promised.formUnion(printed)

            let kept = try ids(in: path)
            #expect(promised.isSubset(of: kept), "round \(round)")
            #expect(try integrity(of: path) == "ok")
        }
        #expect(promised.count > 1_000)
    }
}
