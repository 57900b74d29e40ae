#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif
internal import LogbeamCore

/// An extended regular expression of POSIX, by regcomp(3), that tells which lines begin a record.
///
/// It can not be made to take long: back references, with which the time grows exponentially, and repetitions whose counts
/// multiply, with which the memory does, are refused; and no more than the first bytes of a line are looked at.
final class StartPattern {
    private var compiled = regex_t()

    /// How much of a line is looked at, in bytes.
    static let lineLimit = 1_024
    /// The longest pattern, in bytes.
    static let patternLimit = 512
    /// What the counts of all repetitions (`{2,5}`) may multiply to.
    static let repetitionLimit = 1_000

    /// What is wrong with a pattern, for people.
    struct Fault: Error {
        var description: String
    }

    init(_ pattern: String) throws(Fault) {
        if let fault = Self.fault(of: Array(pattern.utf8)) { throw Fault(description: fault) }
        let code = regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB)
        guard code == 0 else {
            var text = [CChar](repeating: 0, count: 200)
            regerror(code, &compiled, &text, text.count)
            throw Fault(
                description: String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            )
        }
    }

    deinit {
        regfree(&compiled)
    }

    private static func fault(of pattern: [UInt8]) -> String? {
        guard (1...patternLimit).contains(pattern.count) else { return "it must have 1 to \(patternLimit) bytes" }
        guard !pattern.contains(0) else { return "it must hold no NUL" }
        var repetitions = 1
        var index = 0
        while index < pattern.count {
            if pattern[index] == UInt8(ascii: "\\") {
                index += 1
                if index < pattern.count, (0x31...0x39).contains(pattern[index]) {
                    return "it must have no back references"
                }
            } else if pattern[index] == UInt8(ascii: "{") {
                let counts = pattern[(index + 1)...].prefix { $0 != UInt8(ascii: "}") }
                    .split(separator: UInt8(ascii: ","))
                let largest = counts.compactMap { Int(String(decoding: $0, as: UTF8.self)) }.max() ?? 1
                repetitions = repetitions.multipliedSaturated(by: max(1, largest))
                guard repetitions <= repetitionLimit else {
                    return "the counts of its repetitions must multiply to \(repetitionLimit) at most"
                }
            }
            index += 1
        }
        return nil
    }

    /// Whether the pattern is found in the first bytes of a line.
    func matches(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
        let length = min(line.count, Self.lineLimit)
        // `regexec` wants a string with a NUL behind it; where that is, REG_STARTEND says, for a line may hold some
        // (regex(3)).
        return withUnsafeTemporaryAllocation(byteCount: length + 1, alignment: 1) { text in
            text.copyMemory(from: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: line[..<length])))
            text[length] = 0
            var range = regmatch_t(rm_so: 0, rm_eo: regoff_t(length))
            let flags = REG_STARTEND | (length < line.count ? REG_NOTEOL : 0)
            return regexec(&compiled, text.assumingMemoryBound(to: CChar.self).baseAddress, 1, &range, flags) == 0
        }
    }
}
