import Foundation

/// A system call that failed.
package struct SystemError: Error, CustomStringConvertible {
    package var call: String
    /// The value of `errno`.
    package var code: Int32

    package init(_ call: String, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    package var description: String { "\(call): \(String(cString: strerror(code))) (errno \(code))" }
}

/// Makes a system call again for as long as a signal interrupts it.
func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// Keeps a descriptor from the programs that are run: a connection that one inherits stays open after its end here.
func keepFromChildren(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
}
