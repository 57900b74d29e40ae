import Foundation

/// What the tests were built with: see Scripts/nightly.
package enum Sanitizer {
    /// ThreadSanitizer keeps what it knows of the memory in a file: where no file may grow, as on a disk that is full for
    /// the test, no program runs that was built with it.
    package static let isThread = has("__tsan_init")
    /// AddressSanitizer multiplies the memory of a process.
    package static let isAddress = has("__asan_init")

    /// The settings of the sanitizer that the tests were started with, for programs that get an environment of their own.
    package static let environment = ProcessInfo.processInfo.environment.filter { name, _ in
        name == "ASAN_OPTIONS" || name == "TSAN_OPTIONS"
    }

    private static func has(_ symbol: String) -> Bool { dlsym(nil, symbol) != nil }
}
