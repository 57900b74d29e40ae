internal import LogbeamCore
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Takes batches as ``JSONLines``, in place of CloudWatch Logs. A batch is accepted once all of it is written; and, where it
/// goes into a file, once the disk has it.
final class LineDelivery: DeliveryService {
    private let target: LineFile
    private let isCancelled = Atomic(false)
    /// Why nothing more can be written.
    private let trouble = Mutex<String?>(nil)
    /// Held while a batch is written.
    private let turn = Mutex(())

    init(_ target: LineFile) {
        self.target = target
    }

    private var descriptor: Int32 { target.descriptor }
    private var isFile: Bool { target.isFile }

    /// Why nothing more can be written; `nil` if all is well.
    var failure: String? { trouble.withLock { $0 } }

    func send(_ batch: EventBatch) -> DeliveryOutcome {
        var lines: [UInt8] = []
        batch.messages.withUnsafeBufferPointer { messages in
            for event in batch.events {
                let message = UnsafeBufferPointer(rebasing: messages[event.range])
                JSONLines.append(
                    time: event.timestamp,
                    destination: batch.destination,
                    message: message,
                    to: &lines
                )
            }
        }
        if target.isTerminal { lines = JSONLines.printable(lines) }
        return turn.withLock { _ in write(lines) }
    }

    private func write(_ lines: [UInt8]) -> DeliveryOutcome {
        if let failure { return Self.denied(failure) }
        let start = isFile ? target.position : 0
        var rest = lines[...]
        while !rest.isEmpty {
            guard waitUntilReady() else { return Self.cancelled }
            // A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)).
            let count = rest.withUnsafeBytes {
                writeBytes(descriptor, $0.baseAddress, isFile ? $0.count : min($0.count, Int(PIPE_BUF)))
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR, errno != EAGAIN {
                return fail(errno, cutting: lines.count - rest.count, from: start)
            }
        }
        // What can not be synced, a pipe say, says so (fsync(2)).
        guard fsync(descriptor) == 0 || (!isFile && (errno == EINVAL || errno == EROFS)) else {
            return fail(errno, cutting: lines.count, from: start)
        }
        return .accepted(.none)
    }

    /// False if it was cancelled before: then some of a batch may have gone into a pipe that nobody reads.
    private func waitUntilReady() -> Bool {
        if isFile { return true }
        while !isCancelled.load(ordering: .relaxed) {
            var target = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            if poll(&target, 1, 100) > 0 { return true }
        }
        return false
    }

    private func fail(_ code: Int32, cutting count: Int, from start: off_t) -> DeliveryOutcome {
        let reason = "can not write to \(target.name): \(String(cString: strerror(code)))"
        trouble.withLock { $0 = reason }
        // None of the batch counts.
        if isFile { target.cut(count, from: start) }
        return Self.denied(reason)
    }

    func create(_ destination: Destination) -> DeliveryOutcome { .accepted(.none) }

    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    private static func denied(_ reason: String) -> DeliveryOutcome {
        .denied(DeliveryFailure(code: "OutputError", message: reason, mayHaveArrived: false))
    }

    private static let cancelled = DeliveryOutcome.transient(
        DeliveryFailure(code: DeliveryFailure.cancelled, message: "stopped")
    )
}
