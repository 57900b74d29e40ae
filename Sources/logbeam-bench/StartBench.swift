import Foundation
import LogbeamSpool
import LogbeamTestSupport

/// How long a command takes that only prints its version: to start, and to end.
struct StartFigures: Codable {
    var runs: Int
    /// Medians, in milliseconds.
    var commandMilliseconds: Double
    var curlMilliseconds: Double
    /// The median of the ratios of runs that followed each other.
    var ratio: Double
}

enum StartBench {
    static func run(runs: Int) throws -> StartFigures {
        let command = try BuiltProducts.executable("logbeam-spool")
        guard let curl = executable("curl") else { throw BenchError("there is no curl to compare with") }
        var milliseconds: (command: [Double], curl: [Double]) = ([], [])
        // The first runs fill caches and are thrown away.
        for run in -5..<runs {
            let figures = (try time(command), try time(curl))
            guard run >= 0 else { continue }
            milliseconds.command.append(figures.0)
            milliseconds.curl.append(figures.1)
        }
        return StartFigures(
            runs: runs,
            commandMilliseconds: milliseconds.command.median,
            curlMilliseconds: milliseconds.curl.median,
            ratio: zip(milliseconds.command, milliseconds.curl).map { $0 / $1 }.median
        )
    }

    /// In milliseconds.
    private static func time(_ executable: String) throws -> Double {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(null) }
        let begin = MonotonicClock.nanoseconds()
        let process = try spawn(
            executable,
            arguments: ["--version"],
            environment: ProcessInfo.processInfo.environment,
            descriptors: [null, null, null]
        )
        let ended = reap(process)
        let milliseconds = secondsSince(begin) * 1000
        guard ended.exitCode == 0 else { throw BenchError("\(executable) --version ended with \(ended)") }
        return milliseconds
    }

    private static func executable(_ name: String) -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
