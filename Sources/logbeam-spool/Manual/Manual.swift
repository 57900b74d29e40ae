internal import ArgumentParser
internal import LogbeamAWS
internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// `logbeam-spool manual`.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Prints the manual page of logbeam-spool, for man(1).",
        discussion: """
            It has the date of SOURCE_DATE_EPOCH (seconds since 1970), else that of today. The package and \
            'Scripts/install' put it where man(1) finds it.

            Examples:
              logbeam-spool manual | man -l -
            """
    )

    func run() throws {
        let seconds = getenv("SOURCE_DATE_EPOCH").flatMap { Int64(String(cString: $0)) }
        let time = seconds.map { $0.multipliedReportingOverflow(by: 1_000) }.flatMap {
            $0.overflow ? nil : $0.partialValue
        }
        let date = UTCTime(millisecondsSinceEpoch: time ?? WallClock.milliseconds()).iso8601.prefix(10)
        guard let root = CommandInfo.all else {
            throw Failure(.failedIO, "the argument parser describes the command in an unknown way")
        }
        try StandardStreams.print(ManualPage(root: root, version: Version.current, date: String(date)).text)
    }
}

/// A command as the argument parser describes it (its ToolInfo, version 0).
struct CommandInfo: Equatable {
    struct Argument: Equatable {
        /// As they are typed, the preferred one last; none for what stands by its place.
        var names: [String]
        /// What stands after the name; `nil` for a flag.
        var value: String?
        var valueIsOptional: Bool
        var isOptional: Bool
        var isRepeating: Bool
        var help: String
        var defaultValue: String?
        var choices: [String]
    }

    var name: String
    var abstract: String
    var discussion: String
    var arguments: [Argument]
    var subcommands: [CommandInfo]

    /// `logbeam-spool` with all that it can; `nil` if the argument parser describes it in a way that is not known here.
    static var all: CommandInfo? {
        JSONValue(Array(SpoolCommand._dumpHelp().utf8))?["command"].flatMap(CommandInfo.init)
    }

    private init?(_ json: JSONValue) {
        guard let name = json["commandName"]?.string else { return nil }
        self.name = name
        abstract = json["abstract"]?.string ?? ""
        discussion = json["discussion"]?.string ?? ""
        arguments = (json["arguments"]?.array ?? []).compactMap(Argument.init)
        subcommands = (json["subcommands"]?.array ?? []).compactMap(CommandInfo.init).filter { $0.name != "help" }
    }
}

extension CommandInfo.Argument {
    fileprivate init?(_ json: JSONValue) {
        guard let kind = json["kind"]?.string, json["shouldDisplay"] != .bool(false) else { return nil }
        names = (json["names"]?.array ?? []).compactMap { name in
            name["name"]?.string.map { (name["kind"]?.string == "long" ? "--" : "-") + $0 }
        }
        value = kind == "flag" ? nil : json["valueName"]?.string ?? "value"
        valueIsOptional = json["parsingStrategy"]?.string == "scanningForValue"
        isOptional = json["isOptional"] == .bool(true)
        isRepeating = json["isRepeating"] == .bool(true)
        help = json["abstract"]?.string ?? ""
        defaultValue = json["defaultValue"]?.string
        choices = (json["allValues"]?.array ?? []).compactMap(\.string)
    }
}
