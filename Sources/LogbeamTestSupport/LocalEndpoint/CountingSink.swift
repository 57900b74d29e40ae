import Foundation

/// An endpoint that takes everything, looks at nothing, and answers `{}`: the far end of a benchmark.
///
/// It reads the head for Content-Length alone and throws the body away as it comes, so that it costs the machine as
/// little as a server can. Chunked bodies are refused with 411. Safe from any thread. It stops when its owner lets go
/// of it.
package final class CountingSink: Sendable {
    /// What came so far.
    package struct Counts: Sendable, Equatable {
        package var requests = 0
        /// The bytes of the bodies on the wire.
        package var bodyBytes = 0
    }

    private let state = Monitor(Counts())
    private let server: LoopbackServer

    /// - Parameter answerDelay: how long after the end of a request it is answered, as if the sink were far away.
    package init(answerDelay: Duration = .zero) throws {
        server = try LoopbackServer { [state] descriptor, _ in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 64)
            defer { buffer.deallocate() }
            while let length = Self.takeRequest(descriptor, buffer) {
                state.withLock {
                    $0.requests += 1
                    $0.bodyBytes += length
                }
                if answerDelay > .zero { Thread.sleep(forTimeInterval: answerDelay / .seconds(1)) }
                guard Self.send(Self.answer, to: descriptor) else { return }
            }
        }
    }

    package var port: UInt16 { server.port }
    package var url: String { "http://127.0.0.1:\(port)" }
    package var connectionCount: Int { server.acceptedConnections }
    package var counts: Counts { state.withLock { $0 } }

    /// Blocks until the counts satisfy the condition; `false` if the time ran out before.
    package func wait(within limit: Duration = patience, until condition: (Counts) -> Bool) -> Bool {
        state.wait(within: limit) { condition($0) ? true : nil } ?? false
    }

    /// Small enough to stay in the processor's cache between two reads.
    private static let bufferSize = 256 << 10
    private static let answer = Array(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n\r\n{}".utf8
    )
    private static let proceed = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
    private static let lengthRequired = Array(
        "HTTP/1.1 411 Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8
    )

    /// Reads one request; returns the length of its body, or `nil` where the connection is over.
    ///
    /// A client that sends its next request before the answer to the last is cut off: nobody does.
    private static func takeRequest(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int? {
        var held = 0
        while true {
            let received = receive(descriptor, UnsafeMutableRawBufferPointer(rebasing: buffer[held...]))
            guard received > 0 else { return nil }
            held += received
            guard let headEnd = endOfHead(buffer[..<held]) else {
                if held == buffer.count { return nil }
                continue
            }
            let head = String(decoding: buffer[..<headEnd], as: UTF8.self).lowercased()
            guard let length = contentLength(of: head) else {
                _ = send(lengthRequired, to: descriptor)
                return nil
            }
            if head.contains("\r\nexpect:"), !send(proceed, to: descriptor) { return nil }
            var left = length - (held - headEnd)
            while left > 0 {
                let received = receive(
                    descriptor,
                    UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(left, buffer.count)])
                )
                guard received > 0 else { return nil }
                left -= received
            }
            return left == 0 ? length : nil
        }
    }

    private static func endOfHead(_ bytes: Slice<UnsafeMutableRawBufferPointer>) -> Int? {
        let end = Array("\r\n\r\n".utf8)
        guard bytes.count >= end.count else { return nil }
        // The head is a few hundred bytes; where the body came along, the search ends long before it.
        let last = bytes.endIndex - end.count
        var index = bytes.startIndex
        while index <= last {
            if bytes[index] == end[0], bytes[index..<(index + end.count)].elementsEqual(end) {
                return index + end.count
            }
            index += 1
        }
        return nil
    }

    private static func contentLength(of head: String) -> Int? {
        guard let name = head.range(of: "\r\ncontent-length:") else { return nil }
        let length = Int(head[name.upperBound...].prefix { $0 != "\r\n" }.trimmingCharacters(in: .whitespaces))
        return length.flatMap { $0 >= 0 ? $0 : nil }
    }

    private static func receive(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        retryingInterrupts { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
    }

    private static func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        (try? HTTPConnection(descriptor: descriptor).send(bytes)) != nil
    }
}
