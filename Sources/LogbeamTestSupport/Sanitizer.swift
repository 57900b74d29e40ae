import Foundation

/// What the tests were built with: see Scripts/nightly.
package enum Sanitizer {
    /// ThreadSanitizer keeps what it knows of the memory in a file: where no file may grow, as on a disk that is full for
    /// the test, no program runs that was built with it.
    package static let isThread = dlsym(nil, "__tsan_init") != nil
}
