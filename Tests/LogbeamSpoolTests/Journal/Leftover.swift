import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// A spool with a journal that holds records, as a process leaves both that is killed.
struct Leftover: Sendable {
    let live: LiveFixture
    let path: String
    let file: String

    /// - Parameter isRefused: the spool takes nothing but what is moved.
    init(_ count: Int, moved: Int = 0, bytes: Int = 10, isRefused: Bool = false) throws {
        live = try LiveFixture(commitTimeout: isRefused ? .milliseconds(10) : .seconds(30))
        path = live.path
        file = path + JournalFile.infix + "00000000000000aa"
        let journal = try Journal(spool: live.spool)
        let other = try Connection(path: path, mode: .readWrite)
        let padding = String(repeating: "x", count: bytes)
        for number in 0..<count {
            if isRefused, number == moved { try other.execute("BEGIN IMMEDIATE") }
            let stream = number % 3 == 0 ? live.other : live.stream
            #expect(try live.stage("\(number) \(padding)", in: journal, to: stream))
            if number == moved - 1 { try journal.move() }
        }
        if isRefused { try other.execute("COMMIT") }
        let own = live.journals[0]
        try FileManager.default.copyItem(atPath: own, toPath: file)
        unlink(own)
        // The spool knows it by its name.
        try other.execute("UPDATE counters SET name = 'journal 00000000000000aa' WHERE name LIKE 'journal %'")
        withExtendedLifetime(journal) {}
    }

    var numbers: [Int] {
        get throws { try live.pending().map { Int($0.split(separator: " ")[0]) ?? -1 } }
    }
}
