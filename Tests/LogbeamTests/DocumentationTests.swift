import Foundation
import LogbeamTestSupport
import Testing

@Suite("The documentation")
struct DocumentationTests {
    private static let package = URL(fileURLWithPath: #filePath).appending(path: "../../..").standardizedFileURL

    private static func lines(_ file: String) throws -> [String] {
        try String(contentsOf: package.appending(path: file), encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
    }

    /// What a page shows of Swift: with imports of its own, or as a part of something.
    private static func samples(_ page: String, importing: Bool) throws -> [String] {
        try lines(page).split(separator: "```swift").dropFirst().map { $0.prefix { $0 != "```" } }
            .filter { $0.contains { $0.hasPrefix("import ") } == importing }.map { $0.joined(separator: "\n") }
    }

    @Test(
        "shows what compiles",
        arguments: [
            ("README.md", "let audit = "), ("README.md", "let handler = try CloudWatchLogsHandler(label: \"app\", "),
            ("Sources/Logbeam/Documentation.docc/Shipping.md", "var configuration = "),
            ("Sources/Logbeam/Documentation.docc/Ending.md", ""),
        ]
    )
    func samples(page: String, beginning: String) throws {
        let compiled = try Self.lines("Tests/LogbeamTests/Samples.swift").joined(separator: "\n")
        let shown = try Self.samples(page, importing: false).filter { $0.hasPrefix(beginning) }
        #expect(!shown.isEmpty)
        for sample in shown { #expect(compiled.contains(sample)) }
    }

    @Test(
        "shows files that compile with the imports that they have, and no others",
        arguments: ["README.md", "Ending.md", "Logbeam.md"]
    )
    func files(page: String) async throws {
        try await onOwnThread {
            let directory = try TemporaryDirectory()
            let module = "ServiceLifecycle"
            let stub = Self.package.appending(path: "Tests/LogbeamTests/\(module).swift").path
            let built = try Self.compile(
                ["-emit-module", "-parse-as-library", "-module-name", module, stub]
                    + ["-emit-module-path", directory.file("\(module).swiftmodule")]
            )
            #expect(built.isEmpty, "\(built)")
            let path = page == "README.md" ? page : "Sources/Logbeam/Documentation.docc/\(page)"
            let shown = try Self.samples(path, importing: true)
            #expect(!shown.isEmpty)
            for sample in shown {
                let file = directory.file("main.swift")
                try sample.write(toFile: file, atomically: true, encoding: .utf8)
                let complaints = try Self.compile(["-typecheck", "-I", directory.path, file])
                #expect(complaints.isEmpty, "\(complaints)")
            }
        }
    }

    /// Runs the compiler for somebody who depends on this package, and returns what it complains of.
    private static func compile(_ arguments: [String]) throws -> String {
        let libraries = ["CSQLite", "CCurl", "COpenSSL", "CZlib"].map { package.appending(path: "Sources/\($0)").path }
        let modules = [try BuiltProducts.directory.appending(path: "Modules").path] + libraries
        let compiler = try ChildProcess(
            "/usr/bin/env",
            ["swiftc", "-swift-version", "6", "-warnings-as-errors"] + modules.flatMap { ["-I", $0] } + arguments
        )
        compiler.closeInput()
        let end = try compiler.wait()
        let complaints = compiler.text() + compiler.text(.standardError)
        return end.exitCode == 0 ? complaints : "\(end): \(complaints)"
    }
}
