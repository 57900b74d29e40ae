import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool
@testable import logbeam_spool

@Suite("status --watch", .onOwnThreads)
struct WatchTests {
    private let command: Command

    init() throws {
        command = try Command()
    }

    // MARK: Rates

    private static let destination = Destination(logGroup: "g", logStream: "s")

    private static func status(pending: Int, delivered: Int, dropped: Int = 0) -> SpoolStatus {
        var stream = SpoolStatus.Stream(destination: destination, pending: pending, pendingBytes: pending, inDoubt: 0)
        if dropped > 0 { stream.gaps = [.init(reason: "spool full", records: dropped, first: 0, last: 0)] }
        return SpoolStatus(path: "/s.db", streams: [stream], delivered: delivered)
    }

    @Test("Rates are those between two looks; what was dropped was logged too")
    func rates() throws {
        let first = Look(status: Self.status(pending: 100, delivered: 50), time: 1_000)
        let last = Look(status: Self.status(pending: 60, delivered: 150, dropped: 4), time: 3_000)
        let rates = try #require(Rates(from: first, to: last))
        #expect(rates == Rates(logged: 32, delivered: 50, growth: [Self.destination: -20]))
        #expect(rates.timeLeft(pending: 60) == 3_333)
        #expect(rates.timeLeft(pending: 0) == nil)
        #expect(Rates(logged: 5, delivered: 5, growth: [:]).timeLeft(pending: 1) == nil)
        #expect(Rates(logged: 0, delivered: 1e-300, growth: [:]).timeLeft(pending: 1) == nil)
    }

    @Test("There are no rates where there is nothing to compare")
    func noRates() {
        let look = Look(status: Self.status(pending: 1, delivered: 5), time: 1_000)
        #expect(Rates(from: look, to: look) == nil)
        #expect(Rates(from: look, to: Look(status: Self.status(pending: 1, delivered: 4), time: 2_000)) == nil)
        var other = Self.status(pending: 1, delivered: 5)
        other.identity = FileIdentity("/dev/null") ?? FileIdentity("/etc/passwd")
        #expect(Rates(from: look, to: Look(status: other, time: 2_000)) == nil)
    }

    @Test("Rates are those of the last half minute")
    func window() {
        var looks = Looks()
        var last: Rates?
        for second in Int64(0)...100 {
            // Quick for a minute, then nothing.
            let delivered = Int(min(second, 60)) * 10
            let look = Look(status: Self.status(pending: 0, delivered: delivered), time: second * 1_000)
            last = looks.add(look).rates
            if second == 60 { #expect(last?.delivered == 10) }
            if second == 75 { #expect(last?.delivered == 5) }
        }
        #expect(last?.delivered == 0)
        // Rare looks are compared all the same.
        let late = looks.add(Look(status: Self.status(pending: 0, delivered: 1_600), time: 200_000))
        #expect(late.rates?.delivered == 10)
    }

    @Test("The page tells the rates, and when all would be gone")
    func ratesOnPage() throws {
        var watch = StatusWatch(path: "/s.db")
        watch.add(.success(Self.status(pending: 1_000, delivered: 0)), now: 0, time: 0)
        #expect(!watch.lines(on: .plain).contains { $0.hasPrefix("rate") })
        #expect(watch.line == "1970-01-01T00:00:00.000Z\t1000\t1000\t-\t-\t-\t0\t0\t0\t0\t-\t-\n")
        watch.add(.success(Self.status(pending: 500, delivered: 1_002)), now: 2_000, time: 2_000)
        let lines = watch.lines(on: .plain)
        #expect(lines.contains("rate           logged 251/s, delivered 501/s, empty in 2.0 s"), "\(lines)")
        #expect(lines.last == "g          s               500  -250/s  500 B  -       -", "\(lines)")
        #expect(watch.line == "1970-01-01T00:00:02.000Z\t500\t500\t-\t251.000\t501.000\t1002\t0\t0\t0\t-\t-\n")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(watch.json.utf8)) as? NSDictionary)
        #expect(object["logged_per_second"] as? Double == 251)
        #expect(object["error"] is NSNull)
        let streams = try #require(object["streams"] as? [NSDictionary])
        #expect(streams.first?["growth_per_second"] as? Double == -250)
    }

    @Test("Trouble is told with what was seen last, in all forms")
    func trouble() throws {
        var watch = StatusWatch(path: "/s.db")
        watch.add(.success(Self.status(pending: 3, delivered: 0)), now: 0, time: 0)
        watch.add(.failure(SpoolError(.missing, path: "/s.db", message: "no such spool")), now: 5_000, time: 5_000)
        let lines = watch.lines(on: .plain)
        #expect(lines.count == 3 && lines[1].hasPrefix("trouble    spool /s.db: no such spool"), "\(lines)")
        #expect(lines[2] == "last seen  5.0 s ago, with 3 records pending")
        #expect(
            watch.line.hasPrefix("1970-01-01T00:00:05.000Z\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\tspool /s.db: no such spool")
        )
        #expect(watch.line.filter { $0 == "\t" }.count == 11)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(watch.json.utf8)) as? [String: String])
        #expect(Set(object.keys) == ["time", "spool", "error"])
    }

    // MARK: Drawing

    @Test("A drawing takes the place of the last one, whatever was typed, and leaves the lines above it alone")
    func redraw() {
        let window = WindowSize(columns: 10, rows: 5)
        let terminal = Terminal(size: (10, 5))
        var redraw = Redraw()
        var output = "$ run\r\n"
        func show(_ lines: [String], isAnew: Bool = false) -> [String] {
            output += redraw.draw(lines, on: terminal, isAnew: isAnew).replacingOccurrences(
                of: "\n",
                with: "\r\n"
            )
            let screen = Screen(window, output)
            #expect(screen.unknown.isEmpty && screen.cursor.column == 0)
            return screen.lines
        }
        #expect(show(["one", "two", "three"]) == ["$ run", "one", "two", "three"])
        output += "^C"
        #expect(show(["1", "a line that is too long"]) == ["$ run", "1", "a line thg"])
        #expect(show(["a", "b", "c", "d", "e", "f"]) == ["a", "b", "c", "d"])
        #expect(show(["y"]) == ["y"])
        output += "a shell\r\n"
        #expect(show(["x"], isAnew: true) == ["x"])
        output += "^C" + redraw.end + "$ "
        #expect(Screen(window, output).lines == ["x", "$"])
    }

    // MARK: The command on a terminal

    /// The first and the last line that matter of a page of the watched spool.
    private func isPage(_ screen: Screen, pending: String) -> Bool {
        screen.lines.contains { $0.hasPrefix("pending") && $0.contains(pending) }
            && screen.lines.contains { $0.hasPrefix("group") && $0.contains("stream") }
    }

    @Test("It redraws one page as the spool and the window change, and Ctrl-C ends it with the page in place")
    func onTerminal() throws {
        try command.fill(["a"])
        let window = WindowSize(columns: 90, rows: 24)
        let process = try command.startOnTerminal(["status", "--watch", "0.1"], window)
        try process.waitForOutput { isPage(Screen(window, $0), pending: "1 record ") }
        try command.fill(["b", "c"])
        try process.waitForOutput { isPage(Screen(window, $0), pending: "3 records") }
        let screen = Screen(window, process.text())
        #expect(screen.hasColor && screen.unknown.isEmpty)

        // Back in the foreground after Ctrl-Z: the shell has written there, so that it begins anew.
        process.kill(SIGSTOP)
        process.kill(SIGCONT)
        try process.waitForOutput { $0.contains("\u{1B}[2J") && isPage(Screen(window, $0), pending: "3 records") }

        // Narrow and low: the page is made for it, and nothing is left of the old one.
        let narrow = WindowSize(columns: 30, rows: 8)
        let before = process.text()
        try process.resize(narrow)
        try process.waitForOutput { $0.dropFirst(before.count).contains("\u{1B}[2J") }
        try process.write(Key.controlC)
        let termination = try process.wait()
        #expect(termination.exitCode == 0)
        let after = process.text().dropFirst(before.count)
        let start = try #require(after.range(of: "\r\u{1B}[H\u{1B}[2J"))
        let last = Screen(narrow, after[start.lowerBound...])
        #expect(last.unknown.isEmpty)
        #expect(last.lines.count == 7 && last.cursor == (7, 0), "\(last.lines)")
        #expect(
            last.lines.first?.hasPrefix("spool ") == true && last.lines.filter { $0.hasPrefix("spool ") }.count == 1
        )
    }

    @Test("It shows that the spool is gone, and goes on with another one")
    func vanishes() throws {
        try command.fill(["a"])
        let window = WindowSize(columns: 100, rows: 24)
        let process = try command.startOnTerminal(["status", "--watch", "0.1"], window)
        func wait(for lines: [String]) throws {
            try process.waitForOutput { output in
                let shown = Screen(window, output).lines
                return lines.allSatisfy { line in shown.contains { $0.contains(line) } }
            }
        }
        try wait(for: ["1 record ("])
        let away = command.directory.file("away")
        try FileManager.default.moveItem(atPath: command.spoolPath, toPath: away)
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: command.spoolPath + suffix) }
        try wait(for: ["no such spool", "last seen", "with 1 record pending"])
        try command.fill(["b", "c"])
        try wait(for: ["2 records (", "it is another file now"])
        try process.write(Key.controlC)
        #expect(try process.wait().exitCode == 0)
    }

    @Test("No escape sequence goes to a terminal that knows none, and no colour to who wants none")
    func plainTerminals() throws {
        try command.fill(["a"])
        for (name, value) in [("TERM", "dumb"), ("NO_COLOR", "1")] {
            var command = command
            command.environment[name] = value
            let process = try command.startOnTerminal(["status", "--watch", "0.1"])
            // A second page.
            try process.waitForOutput { $0.components(separatedBy: "spool  ").count > 2 }
            try process.write(Key.controlC)
            #expect(try process.wait().exitCode == 0)
            #expect(process.text().contains("\u{1B}") == (name == "NO_COLOR"))
            #expect(!Screen(WindowSize(), process.text()).hasColor)
        }
    }

    // MARK: Off a terminal

    @Test("Off a terminal it prints a line a look, or an object, until a signal, or until nobody reads")
    func forPrograms() throws {
        try command.fill(["a"])
        for arguments in [["status", "--watch", "0.1"], ["status", "--json", "--watch", "0.1"]] {
            let process = try command.start(arguments)
            try process.waitForOutput { $0.filter { $0 == "\n" }.count >= 3 }
            process.kill(SIGINT)
            #expect(try process.wait().exitCode == 0)
            let lines = process.text().split(separator: "\n")
            if arguments.contains("--json") {
                for line in lines {
                    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? NSDictionary
                    #expect(object?["pending"] as? Int == 1)
                }
            } else {
                #expect(lines.allSatisfy { $0.split(separator: "\t").count == 12 })
            }
            #expect(process.text(.standardError).isEmpty)
        }
        let read = try command.runShell("\"$command\" status --watch 0.1 | head -n 2; echo ${PIPESTATUS[0]}")
        #expect(read.output.split(separator: "\n").count == 3 && read.output.hasSuffix("\n0\n"))
    }

    @Test("There must be a spool to begin with, and a time that can be")
    func usage() throws {
        #expect(try command.run(["status", "--watch"]).code == 66)
        for seconds in ["0", "nan", "1e9", "soon"] {
            #expect(try command.run(["status", "--watch", seconds]).code == 64, "\(seconds)")
        }
    }
}
