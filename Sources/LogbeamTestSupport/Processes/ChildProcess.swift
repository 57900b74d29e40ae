package import Foundation

/// A program that runs beside the tests, to be killed, measured and read. Safe from any thread.
///
/// All of its output is read as it comes, so that it never blocks on a full pipe. It inherits no descriptor but its
/// three pipes; its signals are as if a shell had started it. When its owner lets go of it, it is killed and reaped.
package final class ChildProcess: Sendable {
    /// How a process ended, and what it cost (`wait4`).
    package struct Termination: Sendable, Equatable {
        /// `nil` if a signal ended it.
        package var exitCode: Int32?
        /// The signal that ended it, if one did.
        package var signal: Int32?
        /// In user mode and in the kernel together.
        package var cpuTime: Duration
        /// The largest resident set. On Linux it is never less than that of the tests when they started the process
        /// (the kernel carries it over the exec): what is to be measured to the megabyte is started by something small.
        package var peakResidentBytes: Int
    }

    /// The pipes from which the process is read.
    package enum Stream: Sendable, CaseIterable {
        case standardOutput, standardError
    }

    private struct State {
        var output: [Stream: [UInt8]] = [.standardOutput: [], .standardError: []]
        var openStreams = Set(Stream.allCases)
        var termination: Termination?
        /// The writing end of the pipe to standard input, until it is closed.
        var input: Int32?
    }

    package let processIdentifier: pid_t
    private let name: String
    private let state: Monitor<State>

    /// - Parameters:
    ///   - executable: A path; PATH is not searched.
    ///   - environment: All of its environment; that of the tests if `nil`.
    package init(_ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil) throws {
        let input = try Pipe()
        let output = try Pipe()
        let error = try Pipe()
        error.enlarge()
        processIdentifier = try spawn(
            executable,
            arguments: arguments,
            environment: environment ?? ProcessInfo.processInfo.environment,
            descriptors: [input.reading, output.writing, error.writing]
        )
        name = executable
        state = Monitor(State(input: input.takeWriting()))
        read(output.takeReading(), as: .standardOutput)
        read(error.takeReading(), as: .standardError)
        reapAtEnd()
    }

    /// Runs a program on a terminal of its own, which controls it as a person's does: Ctrl-C typed there is a SIGINT
    /// for it. What it prints is all in its standard output, as the terminal gets it: with `\r\n` at the end of a line,
    /// and the echo of what is typed.
    ///
    /// - Parameters: As ``init(_:_:environment:)``, but for the size of the window.
    package init(
        on window: WindowSize,
        _ executable: String,
        _ arguments: [String] = [],
        environment: [String: String]? = nil
    ) throws {
        let terminal = try PseudoTerminal(window)
        let input = try terminal.duplicateController()
        processIdentifier = try spawn(
            executable,
            arguments: arguments,
            environment: environment ?? ProcessInfo.processInfo.environment,
            terminal: terminal.path
        )
        name = executable
        state = Monitor(State(openStreams: [.standardOutput], input: input))
        read(terminal.takeController(), as: .standardOutput)
        reapAtEnd()
    }

    /// Waits on a thread of its own for the end of the process, and tells it.
    private func reapAtEnd() {
        Thread.detachNewThread { [processIdentifier, state] in
            waitUntilEnded(processIdentifier)
            state.withLock { $0.termination = reap(processIdentifier) }
        }
    }

    deinit {
        kill(SIGKILL)
        closeInput()
        _ = state.wait(within: patience) { $0.termination }
    }

    /// Sends a signal, if the process has not ended yet.
    package func kill(_ signal: Int32) {
        state.withLock {
            // Under the lock the process cannot be reaped, so that its number is not yet another's.
            if $0.termination == nil { _ = Foundation.kill(processIdentifier, signal) }
        }
    }

    /// Changes the size of the window of a process on a terminal, which gets SIGWINCH.
    package func resize(_ window: WindowSize) throws {
        let code = state.withLock { $0.input.map { window.set(on: $0) } ?? EBADF }
        guard code == 0 else { throw SystemError("ioctl TIOCSWINSZ", code: code) }
    }

    /// Writes to standard input, or types on the terminal; blocks while the pipe is full.
    package func write(_ text: String) throws {
        // Not under the lock: a process that does not read must not keep us from killing it.
        guard let descriptor = state.withLock({ $0.input }) else { throw SystemError("write", code: EBADF) }
        try withoutBrokenPipeSignal {
            let bytes = Array(text.utf8)
            var written = 0
            while written < bytes.count {
                let part = bytes.withUnsafeBytes { bytes in
                    retryingInterrupts {
                        Foundation.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
                    }
                }
                guard part >= 0 else { throw SystemError("write") }
                written += part
            }
        }
    }

    /// Ends standard input.
    package func closeInput() {
        state.withLock {
            if let descriptor = $0.input { close(descriptor) }
            $0.input = nil
        }
    }

    /// Blocks until the process has ended and all that it wrote has been read.
    package func wait(within limit: Duration = patience) throws -> Termination {
        let termination = state.wait(within: limit) { $0.openStreams.isEmpty ? $0.termination : nil }
        guard let termination else { throw ChildProcessError("\(name) has not ended within \(limit)") }
        return termination
    }

    /// Blocks until what the process wrote satisfies the condition; throws if it ends without, or the time runs out.
    @discardableResult
    package func waitForOutput(
        _ stream: Stream = .standardOutput,
        within limit: Duration = patience,
        until condition: (String) -> Bool
    ) throws -> String {
        enum Event { case met(String), ended(String) }
        let event: Event? = state.wait(within: limit) {
            let text = String(decoding: $0.output[stream] ?? [], as: UTF8.self)
            if condition(text) { return .met(text) }
            return $0.openStreams.contains(stream) ? nil : .ended(text)
        }
        switch event {
        case .met(let text):
            return text
        case .ended(let text):
            throw ChildProcessError("\(name) ended, having written only: \(text)\n\(self.text(.standardError))")
        case nil:
            throw ChildProcessError("\(name) wrote within \(limit) only: \(text(stream))\n\(text(.standardError))")
        }
    }

    /// The bytes that the process wrote so far.
    package func output(_ stream: Stream = .standardOutput) -> [UInt8] { state.withLock { $0.output[stream] ?? [] } }

    /// The text that the process wrote so far.
    package func text(_ stream: Stream = .standardOutput) -> String { String(decoding: output(stream), as: UTF8.self) }

    private func read(_ descriptor: Int32, as stream: Stream) {
        Thread.detachNewThread { [state] in
            var chunk = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = chunk.withUnsafeMutableBytes { chunk in
                    retryingInterrupts { Foundation.read(descriptor, chunk.baseAddress, chunk.count) }
                }
                guard count > 0 else { break }
                state.withLock { $0.output[stream]?.append(contentsOf: chunk[..<count]) }
            }
            close(descriptor)
            state.withLock { $0.openStreams.remove(stream) }
        }
    }
}

/// What went wrong with a program that the tests run.
package struct ChildProcessError: Error, CustomStringConvertible {
    package var description: String
    init(_ description: String) { self.description = description }
}
