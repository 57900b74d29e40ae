#if canImport(Glibc)
@preconcurrency internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The environment variables, as a value. A variable that is set to nothing counts as not set.
package struct ProcessEnvironment: Sendable, Equatable {
    private let variables: [String: String]
    /// `HOME`, else where the system's list of users has it: services are often started without the variable.
    let home: String?

    /// - Parameter home: the home directory if the variables don't name one.
    package init(_ variables: [String: String], home: String? = nil) {
        self.variables = variables
        self.home = Self.unlessEmpty(variables["HOME"]) ?? home
    }

    package subscript(name: String) -> String? { Self.unlessEmpty(variables[name]) }

    private static func unlessEmpty(_ value: String?) -> String? { value?.isEmpty == true ? nil : value }

    /// Whether a variable is set, if only to nothing.
    func isSet(_ name: String) -> Bool { variables[name] != nil }

    /// Whether a variable says `true`, in any case of letters.
    package func isTrue(_ name: String) -> Bool { self[name]?.asciiLowercased == "true" }

    /// The path that a variable gives, with variables and a leading `~` or `~user` expanded as botocore expands them;
    /// without it, the given one below the home directory. `nil` if that takes this user's home directory and none is known.
    func path(_ name: String, else belowHome: String) -> String? {
        let path = self[name].map(expandingVariables) ?? "~/\(belowHome)"
        guard path.hasPrefix("~") else { return path }
        let user = path.dropFirst().prefix { $0 != "/" }
        let rest = path.dropFirst(1 + user.count)
        if user.isEmpty { return home.map { $0 + rest } }
        // What is no user may be a file.
        return (Self.homeInUserList(of: String(user)) ?? "~\(user)") + rest
    }

    /// As a program that is started gets them.
    var lines: [String] { variables.map { "\($0.key)=\($0.value)" } }

    /// Replaces `$NAME` and `${NAME}`. What is not set stays as it stands.
    private func expandingVariables(_ text: String) -> String {
        var expanded = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            expanded += rest[..<dollar]
            let after = rest[rest.index(after: dollar)...]
            let name: Substring
            let end: Substring.Index
            if after.first == "{", let close = after.firstIndex(of: "}") {
                name = after[after.index(after: after.startIndex)..<close]
                end = after.index(after: close)
            } else {
                name = after.prefix { $0.isASCII && ($0.isLetter || $0.isNumber) || $0 == "_" }
                end = name.endIndex
            }
            expanded += variables[String(name)] ?? String(rest[dollar..<end])
            rest = rest[end...]
        }
        return expanded + rest
    }

    /// A copy of the process's environment as it is now. Not to be taken while another thread calls `setenv`.
    package static var current: ProcessEnvironment {
        #if canImport(Darwin)
        let start = _NSGetEnviron().pointee
        #else
        let start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = environ
        #endif
        var variables: [String: String] = [:]
        guard var next = start else { return ProcessEnvironment(variables, home: homeInUserList()) }
        while let entry = next.pointee {
            let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            next += 1
        }
        return ProcessEnvironment(variables, home: variables["HOME"] == nil ? homeInUserList() : nil)
    }

    /// - Parameter user: a user's name; `nil` for the one whose process this is.
    private static func homeInUserList(of user: String? = nil) -> String? {
        var entry = passwd()
        var result: UnsafeMutablePointer<passwd>?
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let code =
                if let user {
                    getpwnam_r(user, &entry, start, buffer.count, &result)
                } else {
                    getpwuid_r(getuid(), &entry, start, buffer.count, &result)
                }
            guard code == 0, result != nil, let directory = entry.pw_dir else { return nil }
            return String(cString: directory)
        }
    }
}

/// The variables hold secrets: no description shows any.
extension ProcessEnvironment: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "ProcessEnvironment(\(variables.count) variables)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["count": variables.count]) }
}
