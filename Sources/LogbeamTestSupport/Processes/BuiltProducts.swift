package import Foundation

/// Where the executables of this build lie.
package enum BuiltProducts {
    /// The directory in which SwiftPM put the test bundle and all products.
    package static var directory: URL {
        get throws {
            #if os(Linux)
            // The test bundle is the program that runs.
            let runner = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            return URL(fileURLWithPath: runner).deletingLastPathComponent()
            #else
            guard let bundle = Bundle.allBundles.first(where: { $0.bundlePath.hasSuffix(".xctest") }) else {
                throw ChildProcessError("no test bundle is loaded")
            }
            return bundle.bundleURL.deletingLastPathComponent()
            #endif
        }
    }

    /// The path of an executable product or target; throws if it was not built.
    package static func executable(_ name: String) throws -> String {
        let path = try directory.appendingPathComponent(name).path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw ChildProcessError("\(path) is not there: run 'swift build --build-tests'")
        }
        return path
    }
}
