import Foundation
import LogbeamCore
import Testing

@testable import Logbeam
@testable import logbeam_spool

@Suite("What the command writes for people")
struct TextTests {
    @Test(
        "Numbers get commas",
        arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "-1,000")]
    )
    func counts(number: Int, text: String) {
        #expect(number.grouped == text)
    }

    @Test("One of a thing is singular")
    func plural() {
        #expect(HumanUnits.count(1, "batch", plural: "batches") == "1 batch")
        #expect(HumanUnits.count(0, "batch", plural: "batches") == "0 batches")
        #expect(HumanUnits.count(2_000, "record") == "2,000 records")
    }

    @Test(
        "Bytes have the unit that keeps them short",
        arguments: [
            (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_250, "1.3 kB"), (9_949, "9.9 kB"), (9_950, "10 kB"),
            (999_499, "999 kB"), (999_500, "1.0 MB"), (1_048_576, "1.0 MB"), (12_300_000_000, "12 GB"),
            (.max, "9.2 EB"),
        ]
    )
    func bytes(number: Int, text: String) {
        #expect(HumanUnits.bytes(number) == text)
    }

    @Test(
        "Durations have two units at most",
        arguments: [
            (0, "0.0 s"), (1_340, "1.3 s"), (9_999, "9.9 s"), (10_000, "10 s"), (59_999, "59 s"),
            (200_000, "3 min 20 s"),
            (18_720_000, "5 h 12 min"), (273_600_000, "3 d 4 h"), (.max, "106,751,991,167 d 7 h"),
        ] as [(Int64, String)]
    )
    func durations(milliseconds: Int64, text: String) {
        #expect(HumanUnits.duration(milliseconds: milliseconds) == text)
    }

    @Test(
        "Ages look back, and ahead",
        arguments: [
            (0, 1_340, "1.3 s ago"), (1_340, 0, "in 1.3 s"), (5, 5, "0.0 s ago"),
            (.min, .max, "106,751,991,167 d 7 h ago"), (0, .min, "in 106,751,991,167 d 7 h"),
        ] as [(Int64, Int64, String)]
    )
    func ages(time: Int64, now: Int64, text: String) {
        #expect(HumanUnits.age(of: time, now: now) == text)
    }

    @Test("Lines end where they end, whatever ends them")
    func printableLines() {
        #expect("a\r\nb\n\nc".printableLines == ["a\\r", "b", "", "c"])
        #expect("".printableLines == [""])
    }

    @Test("What controls a terminal is escaped, all else is left as it is")
    func printable() {
        #expect("plain ä € 😀 \"\\".printable == "plain ä € 😀 \"\\")
        #expect(
            "\u{1B}[2J\n\r\t\u{7F}\u{9B}\u{61C}\u{202E}\u{2028}".printable
                == #"\u001b[2J\n\r\t\u007f\u009b\u061c\u202e\u2028"#
        )
    }

    @Test("JSON strings are read back as they were, and hold no control character")
    func json() throws {
        let text = String(String.UnicodeScalarView((0...0x2100).compactMap(Unicode.Scalar.init))) + "\"\\😀"
        let quoted = text.jsonQuoted
        #expect(!quoted.unicodeScalars.contains { $0.properties.generalCategory == .control })
        let parsed = try JSONSerialization.jsonObject(with: Data("[\(quoted)]".utf8)) as? [String]
        #expect(parsed.map { Array($0[0].unicodeScalars) } == Array(text.unicodeScalars))
    }

    @Test("The progress tells how far, how much, how fast and how long still")
    func progress() {
        let line = ProgressLine(done: 4_500, total: 10_000, bytes: 1_234_567, elapsed: 2_000)
        #expect(
            line.text(width: 100)
                == "[#########-----------]  45 %  4,500/10,000 records  1.2 MB  2,250/s  2.4 s left"
        )
    }

    @Test("The progress is 100 % only when all is done, and counts what came meanwhile")
    func progressEnds() {
        func line(_ done: Int, _ total: Int) -> String {
            ProgressLine(done: done, total: total, bytes: 0, elapsed: 0).text(width: 100)
        }
        #expect(line(9_999, 10_000).contains("  99 %  9,999/10,000 records"))
        #expect(line(12, 10).contains("  100 %  12/12 records"))
        #expect(line(0, 0).contains("100 %  0/0 records"))
    }

    @Test("The progress shows what it waits for, cut to the width, without control characters")
    func progressRetry() {
        let line = ProgressLine(
            done: 0,
            total: 1,
            bytes: 0,
            elapsed: 1,
            retry: (delay: 2_100, failure: "Slow\u{1B}Down: wait")
        )
        let text = "[--------------------]  0 %  0/1 record  retrying in 3 s: Slow\\u001bDown: wait"
        #expect(line.text(width: 100) == text)
        #expect(line.text(width: 30) == String(text.prefix(30)))
    }

    @Test("The summary counts records, bytes and batches")
    func summary() {
        var totals = UploadLoop.Totals()
        totals.records = 10_000
        totals.batches = 4
        totals.bytes = 1_234_567
        #expect(Summary.text(totals, milliseconds: 1_300) == "10,000 records (1.2 MB) in 4 batches, 1.3 s")
    }
}
