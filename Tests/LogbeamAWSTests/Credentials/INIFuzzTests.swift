import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("INI file, of whatever content")
struct INIFuzzTests {
    @Test("is read, or is an error that quotes no setting")
    func mutated() throws {
        let secret = "wJalrXUtnFEMI"
        let tokens = [
            "\n", "\r\n", "\r", "[", "]", "[default]", "=", ":", " ", "\t", "\n ", "#", ";", "\u{2028}", "é", secret,
        ]
        var fuzzer = try Fuzzer(corpus: "ini", tokens: tokens)
        try fuzzer.run(rounds: 4_000) { input, _ in
            do throws(INIFile.Failure) {
                let file = try INIFile(input, path: "/file")
                return ["region", "next", "s3", "role_arn"].map {
                    "\(file["default"]?[$0] ?? file["other"]?[$0] ?? "")"
                }
            } catch {
                // A section's name may be told, whatever it is.
                if error.section?.contains(secret) != true { #expect(!error.description.contains(secret)) }
                return [error.reason]
            }
        }
    }

    @Test("gives back what was written")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 1)
        func word(_ characters: String, _ lengths: ClosedRange<Int>) -> String {
            String(
                (0..<Int.random(in: lengths, using: &random)).compactMap { _ in characters.randomElement(using: &random)
                }
            )
        }
        for _ in 0..<300 {
            var model: [String: [String: String]] = [:]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let values = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    (word("abc_0", 1...8), "v" + word("ab =:#;[]é%\"'", 0...12) + ".")
                }
                model["p" + word("abc d-_", 0...6) + "q"] = Dictionary(values) { $1 }
            }
            let text = model.map { name, values in
                "[\(name)]\n"
                    + values.map { "\($0)\(["=", " = ", ": "].randomElement(using: &random) ?? "=")\($1)\n" }.joined()
            }.joined(separator: "\n")
            let file = try INIFile(Array(text.utf8), path: "/file")
            for (section, values) in model {
                for (name, value) in values { #expect(file[section]?[name] == value, "\(text)") }
            }
        }
    }
}
