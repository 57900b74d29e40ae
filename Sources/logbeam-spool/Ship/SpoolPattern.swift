internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The path of a spool, or a pattern for several, as a shell has it: `*`, `?` and `[...]`, none of which stands for a slash.
struct SpoolPattern: Sendable {
    let text: String

    /// Whether it may stand for other files later than now.
    var isPattern: Bool { text.utf8.contains { "*?[".utf8.contains($0) } && access(text, F_OK) != 0 }

    /// The files that it stands for now, in the order of their names; of a path that path, whether it is there or not. What
    /// SQLite and logbeam put beside a spool is left out. `nil` if nobody can say, for too many files are open.
    var paths: [String]? {
        guard isPattern else { return [text] }
        var found = glob_t()
        defer { globfree(&found) }
        let code = glob(text, 0, { _, code in code == EMFILE || code == ENFILE ? 1 : 0 }, &found)
        guard code != GLOB_ABORTED else { return nil }
        guard code == 0, let start = found.gl_pathv else { return [] }
        return UnsafeBufferPointer(start: start, count: Int(found.gl_pathc))
            .compactMap { $0.map { String(cString: $0) } }
            .filter { !SpoolSafety.isCompanion($0) }
    }
}
