import Foundation
import Testing

@Suite("The documentation")
struct DocumentationTests {
    private static let package = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardizedFileURL

    private static func lines(_ file: String) throws -> [String] {
        try String(contentsOf: package.appending(path: file), encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test(
        "shows what compiles",
        arguments: [
            ("README.md", "let audit = "),
            ("Sources/Logbeam/Documentation.docc/Ending.md", ""),
        ]
    )
    func samples(page: String, beginning: String) throws {
        let compiled = try Self.lines("Tests/LogbeamTests/Samples.swift").joined(separator: "\n")
        let samples = try Self.lines(page).split(separator: "```swift").dropFirst().map { part in
            part.prefix { $0 != "```" }.drop { $0.hasPrefix("import ") || $0.isEmpty }.joined(separator: "\n")
        }
        let shown = samples.filter { $0.hasPrefix(beginning) }
        #expect(!shown.isEmpty)
        for sample in shown { #expect(compiled.contains(sample)) }
    }
}
