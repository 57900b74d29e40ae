import Foundation

/// One HTTP/1.1 connection, as the server sees it: bytes in, bytes out. Confined to the thread that serves it.
final class HTTPConnection {
    /// The connection ended, in order or not, where a request or an answer was under way.
    struct Closed: Error {}

    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 65536)
    /// What was received and not yet read, as a range of `buffer`.
    private var held = 0..<0

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// The next line without its CRLF; `nil` where the client ended the connection before the line's first byte.
    ///
    /// Takes at most `budget` bytes, which must be less than the buffer holds, and lowers it by what it took.
    func readLine(budget: inout Int) throws -> [UInt8]? {
        while true {
            if let newline = buffer[held].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[held.lowerBound..<newline]
                guard line.last == UInt8(ascii: "\r") else { throw HTTPViolation("a line ends without CR") }
                guard line.count < budget else { throw HTTPViolation("the head is too long", status: 431) }
                budget -= line.count + 1
                held = (newline + 1)..<held.upperBound
                return Array(line.dropLast())
            }
            guard held.count < budget else { throw HTTPViolation("the head is too long", status: 431) }
            guard try receiveMore() else {
                if held.isEmpty { return nil }
                throw Closed()
            }
        }
    }

    /// Exactly so many bytes.
    func read(_ count: Int) throws -> [UInt8] {
        let first = held.prefix(count)
        held = first.upperBound..<held.upperBound
        return try [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
            _ = bytes.update(fromContentsOf: buffer[first])
            filled = first.count
            while filled < count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[filled...])
                let received = try receive(rest)
                guard received > 0 else { throw Closed() }
                filled += received
            }
        }
    }

    func send(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { bytes in
            var sent = 0
            while sent < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
                let part = retryingInterrupts {
                    Foundation.send(descriptor, rest.baseAddress, rest.count, withoutSignal)
                }
                guard part > 0 else { throw Closed() }
                sent += part
            }
        }
    }

    /// Makes the close that follows reset the connection, so that the client sees ECONNRESET instead of an end.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    /// Says that no more will be sent, and reads what still comes until the client ends the connection: a close with
    /// unread bytes would reset the connection, and the client might lose the last answer.
    func finish() {
        shutdown(descriptor, Int32(SHUT_WR))
        repeat { held = 0..<0 } while (try? receiveMore()) == true
    }

    private func receiveMore() throws -> Bool {
        buffer.replaceSubrange(0..<held.count, with: Array(buffer[held]))
        held = 0..<held.count
        let count = held.count
        let received = try buffer.withUnsafeMutableBytes { try receive(.init(rebasing: $0[count...])) }
        held = 0..<(count + received)
        return received > 0
    }

    /// Zero at the end of what the client sends.
    private func receive(_ room: UnsafeMutableRawBufferPointer) throws -> Int {
        let received = retryingInterrupts { recv(descriptor, room.baseAddress, room.count, 0) }
        guard received >= 0 else { throw Closed() }
        return received
    }
}

#if os(Linux)
let withoutSignal = Int32(MSG_NOSIGNAL)
#else
let withoutSignal: Int32 = 0
#endif
