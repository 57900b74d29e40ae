package import Foundation

/// The Python of the package's virtual environment, where the judges live that we did not write.
package enum Python {
    /// The folder of the package.
    static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Throws, and says how to make it, if the virtual environment is not there or was not finished.
    static func interpreter() throws -> String {
        let environment = packageRoot.appendingPathComponent(".venv")
        // Scripts/setup writes this file when all else is done.
        guard FileManager.default.fileExists(atPath: environment.appendingPathComponent("complete").path) else {
            throw ChildProcessError("no virtual environment at \(environment.path): run Scripts/setup")
        }
        return environment.appendingPathComponent("bin/python").path
    }

    /// What a program that speaks to AWS sees here: no configuration, no credentials, no proxy but what is given.
    static func environment(adding additions: [String: String] = [:]) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment.filter { name, _ in
            !name.hasPrefix("AWS_") && !name.lowercased().hasSuffix("_proxy")
        }
        environment["AWS_CONFIG_FILE"] = "/dev/null"
        environment["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"
        environment["AWS_EC2_METADATA_DISABLED"] = "true"
        environment["AWS_DEFAULT_REGION"] = "us-east-1"
        environment["PYTHONUNBUFFERED"] = "1"
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return environment.merging(additions) { $1 }
    }

    /// Starts a script.
    package static func start(
        _ script: URL,
        _ arguments: [String] = [],
        environment additions: [String: String] = [:]
    ) throws -> ChildProcess {
        try ChildProcess(interpreter(), [script.path] + arguments, environment: environment(adding: additions))
    }

    /// Runs a script to its end and returns what it wrote; throws if it failed. Blocks.
    package static func run(
        _ script: URL,
        _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) throws -> [UInt8] {
        let process = try start(script, arguments, environment: environment)
        process.closeInput()
        guard try process.wait().exitCode == 0 else {
            throw ChildProcessError("\(script.lastPathComponent) failed:\n\(process.text(.standardError))")
        }
        return process.output()
    }

    /// A script of this target.
    package static func script(_ name: String) -> URL {
        packageRoot.appendingPathComponent("Sources/LogbeamTestSupport/Python/\(name)")
    }
}
