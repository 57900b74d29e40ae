#if canImport(Glibc)
@preconcurrency internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The environment variables, as a value. A variable that is set to nothing counts as not set.
package struct ProcessEnvironment: Sendable, Equatable {
    private let variables: [String: String]

    package init(_ variables: [String: String]) {
        self.variables = variables.filter { !$0.value.isEmpty }
    }

    package subscript(name: String) -> String? { variables[name] }

    /// Whether a variable says `true`, in any case of letters.
    package func isTrue(_ name: String) -> Bool { self[name]?.asciiLowercased == "true" }

    /// The path that a variable gives, with a leading `~/` expanded; without it, the given one below the home directory.
    /// `nil` if that takes a `HOME` that is not set.
    func path(_ name: String, else belowHome: String) -> String? {
        let path = self[name] ?? "~/\(belowHome)"
        guard path.hasPrefix("~/") else { return path }
        return self["HOME"].map { $0 + path.dropFirst() }
    }

    /// A copy of the process's environment as it is now. Not to be taken while another thread calls `setenv`.
    package static var current: ProcessEnvironment {
        #if canImport(Darwin)
        let start = _NSGetEnviron().pointee
        #else
        let start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = environ
        #endif
        var variables: [String: String] = [:]
        guard var next = start else { return ProcessEnvironment(variables) }
        while let entry = next.pointee {
            let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            next += 1
        }
        return ProcessEnvironment(variables)
    }
}
