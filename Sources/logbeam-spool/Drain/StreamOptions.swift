internal import ArgumentParser
internal import LogbeamCore

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Which log streams are meant, where not all are.
struct StreamOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Only this log group, or those of a pattern with * and ?; may be repeated. (default: all)",
            valueName: "group"
        )
    )
    var logGroup: [String] = []

    @Option(
        help: ArgumentHelp(
            "Only this log stream, or those of a pattern; may be repeated. (default: all of these groups)",
            valueName: "stream"
        )
    )
    var logStream: [String] = []

    /// Whether all streams are meant.
    var areAll: Bool { logGroup.isEmpty && logStream.isEmpty }

    func match(_ destination: Destination) -> Bool {
        Self.matches(destination.logGroup, logGroup) && Self.matches(destination.logStream, logStream)
    }

    private static func matches(_ name: String, _ patterns: [String]) -> Bool {
        // Names of streams may hold brackets, as Lambda's do: one that is given as it is always counts.
        patterns.isEmpty || patterns.contains { $0.hasSameBytes(as: name) || fnmatch($0, name, 0) == 0 }
    }
}
