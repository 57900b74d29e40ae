import Foundation
import LogbeamTestSupport
import Synchronization
import Testing

@testable import Logbeam

// One after the other: a line that waits has its turn meanwhile.
@Suite("A line for standard error", .serialized)
struct StandardErrorTests {
    @Test("is written, whatever its length")
    func read() async throws {
        try await onOwnThread {
            let pipe = Pipe()
            let lines = [1, 4_095, 4_096, 50_000].map { String(repeating: "x", count: $0) }
            for line in lines {
                #expect(StandardError.write(line: line, to: pipe.fileHandleForWriting.fileDescriptor))
                let bytes = try pipe.fileHandleForReading.read(upToCount: line.utf8.count + 1)
                #expect(bytes == Data("\(line)\n".utf8))
            }
        }
    }

    @Test("is written where that takes no waiting, though its time is over")
    func late() async throws {
        try await onOwnThread {
            let pipe = Pipe()
            try #require(StandardError.write(line: "late", to: pipe.fileHandleForWriting.fileDescriptor, patience: 0))
            let bytes = try pipe.fileHandleForReading.read(upToCount: 5)
            #expect(bytes == Data("late\n".utf8))
        }
    }

    @Test("holds none of several threads up that find the last room in a pipe which nobody reads")
    func unread() async throws {
        try await onOwnThread {
            let line = String(repeating: "x", count: 4_000)
            for round in 0..<20 {
                let pipe = Pipe()
                let descriptor = pipe.fileHandleForWriting.fileDescriptor
                // It has room for sixteen pages (pipe(7)).
                for _ in 0..<15 { try #require(StandardError.write(line: line, to: descriptor)) }
                let isOpen = Atomic(false)
                let written = Monitor<[Bool]>([])
                for _ in 0..<4 {
                    Thread.detachNewThread {
                        while !isOpen.load(ordering: .acquiring) {}
                        let isWritten = StandardError.write(line: line, to: descriptor)
                        written.withLock { $0.append(isWritten) }
                    }
                }
                isOpen.store(true, ordering: .releasing)
                let all = written.wait(within: patience) { $0.count == 4 ? $0 : nil }
                // Lets those go that wait.
                try pipe.fileHandleForReading.close()
                try #require(all?.count { $0 } == 1, "round \(round)")
            }
        }
    }

    @Test("is written by a thread that signals interrupt while it waits for the reader")
    func interrupted() async throws {
        signal(SIGUSR2) { _ in StandardErrorTests.interruptions.add(1, ordering: .relaxed) }
        defer { signal(SIGUSR2, SIG_DFL) }
        let before = Self.interruptions.load(ordering: .relaxed)
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        while StandardError.write(line: String(repeating: "x", count: 4_095), to: descriptor, patience: 0) {}
        let state = Monitor((thread: pthread_t?.none, isWritten: Bool?.none))
        Thread.detachNewThread {
            // The threads of Swift's pool let no signals in, nor do those that they start.
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGUSR2)
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            state.withLock { $0.thread = pthread_self() }
            let isWritten = StandardError.write(line: "waited", to: descriptor, patience: 300_000)
            state.withLock { $0.isWritten = isWritten }
        }
        try await waitUntil("the thread", { state.withLock { $0.thread } != nil })
        let thread = try #require(state.withLock { $0.thread })
        // So many that most of them come while it waits.
        try await waitUntil("a hundred signals") {
            state.withLock { $0.isWritten } != nil || Self.interruptions.load(ordering: .relaxed) >= before + 100
        } while: {
            if state.withLock({ $0.isWritten }) == nil { pthread_kill(thread, SIGUSR2) }
        }
        #expect(state.withLock { $0.isWritten } == nil)
        _ = try pipe.fileHandleForReading.read(upToCount: 4_096)
        try await waitUntil("the line", { state.withLock { $0.isWritten } != nil })
        #expect(state.withLock { $0.isWritten } == true)
    }

    private static let interruptions = Atomic(0)

    @Test("holds nobody up on a terminal that nobody reads")
    func unreadTerminal() async throws {
        try await onOwnThread {
            var (terminal, window): (Int32, Int32) = (-1, -1)
            try #require(openpty(&terminal, &window, nil, nil, nil) == 0)
            // Whoever still writes to it ends with it.
            defer { close(terminal) }
            let descriptor = window
            let failures = Monitor(0)
            Thread.detachNewThread {
                // A terminal takes the beginning of a line for which it has no room.
                while failures.withLock({ $0 }) < 3 {
                    let isWritten = StandardError.write(line: String(repeating: "x", count: 4_000), to: descriptor)
                    failures.withLock { $0 += isWritten ? 0 : 1 }
                }
            }
            #expect(failures.wait(within: patience) { $0 == 3 ? true : nil } == true)
        }
    }
}
