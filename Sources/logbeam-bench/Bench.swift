import ArgumentParser
import Foundation

/// Measures what logging and shipping cost. No product: `Scripts/bench` builds and runs it.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logbeam-bench",
        abstract: "Measures what log() and a drain cost on this machine.",
        subcommands: [Run.self, Measure.self, Ship.self, Emit.self],
        defaultSubcommand: Run.self
    )
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures, prints tables, and writes the figures to files.",
        discussion: "Scenarios:\n"
            + Scenario.allCases.map {
                "  \($0.rawValue)".padding(toLength: 14, withPad: " ", startingAt: 0) + $0.abstract
            }
            .joined(separator: "\n")
    )

    @Flag(help: "A short run with rough figures.")
    var quick = false

    @Option(help: ArgumentHelp("Measures this alone; may be given several times.", valueName: "scenario"))
    var only: [Scenario] = []

    @Option(help: ArgumentHelp("Where to write the figures as JSON.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Where to write the tables as Markdown.", valueName: "file"))
    var markdown: String?

    @Option(help: ArgumentHelp("Where to write the drawings, as SVG.", valueName: "directory"))
    var plots: String?

    @Option(help: ArgumentHelp("What the Markdown says that makes it.", valueName: "command"))
    var command = "logbeam-bench"

    @Option(
        help: ArgumentHelp(
            "Where the spools are written; must lie on a disk, not in memory. About 2 GB are needed.",
            valueName: "directory"
        )
    )
    var directory = "/var/tmp"

    @Option(
        help: ArgumentHelp(
            "A Python that has the handlers to compare with; they are left out without one.",
            valueName: "interpreter"
        )
    )
    var python: String?

    func run() async throws {
        let machine = try Machine(directory: directory)
        let start = Machine.ProcessorTime()
        guard !machine.isInMemory else {
            throw ValidationError("\(directory) lies in memory (\(machine.fileSystem)): name a directory on a disk.")
        }
        var report = Report(date: Date(), isQuick: quick, command: command, machine: machine)
        let workbench = try Workbench(isQuick: quick, directory: directory, python: python, tell: Self.progress)
        for scenario in Scenario.allCases where only.isEmpty || only.contains(scenario) {
            try await workbench.measure(scenario, into: &report)
        }
        report.machine.stolen = Machine.ProcessorTime().stolen(since: start)
        report.targets = report.judged
        print(report.text)
        try write(report)
    }

    private func write(_ report: Report) throws {
        if let json { try report.json.write(to: URL(fileURLWithPath: json), options: .atomic) }
        if let plots {
            try FileManager.default.createDirectory(atPath: plots, withIntermediateDirectories: true)
            for drawing in report.drawings {
                try Data(drawing.svg.utf8).write(
                    to: URL(fileURLWithPath: "\(plots)/\(drawing.name).svg"),
                    options: .atomic
                )
            }
        }
        if let markdown {
            let text = report.markdown(plots: plots.map { Self.path($0, from: markdown) })
            try Data(text.utf8).write(to: URL(fileURLWithPath: markdown), options: .atomic)
        }
    }

    /// What a file puts before the name of one in a directory: relative to its own where that lies there, so that both can
    /// be moved together.
    private static func path(_ directory: String, from file: String) -> String {
        let home = URL(fileURLWithPath: file).deletingLastPathComponent().path + "/"
        let path = URL(fileURLWithPath: directory).path + "/"
        return path.hasPrefix(home) ? String(path.dropFirst(home.count)) : path
    }

    /// For who sits at a terminal.
    private static func progress(_ text: String) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        FileHandle.standardError.write(Data("bench: \(text)\n".utf8))
    }
}

struct Measure: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a command and prints, as JSON, what it cost.",
        shouldDisplay: false
    )

    @Argument(parsing: .captureForPassthrough)
    var command: [String]

    func run() throws {
        let cost = try Cost.ofRunning(command[0], Array(command.dropFirst()))
        FileHandle.standardOutput.write(try JSONEncoder().encode(cost))
    }
}
