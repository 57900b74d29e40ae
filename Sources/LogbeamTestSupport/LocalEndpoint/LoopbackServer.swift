import Foundation

/// Accepts TCP connections on 127.0.0.1 and gives each a thread of its own.
///
/// The kernel chooses the port. When it is stopped, or its owner lets go of it, all connections are shut down and all
/// of its threads have ended.
final class LoopbackServer: Sendable {
    private struct State {
        var isStopping = false
        var accepted = 0
        var threads = 0
        var open: Set<Int32> = []
    }

    let port: UInt16
    private let listener: Int32
    private let state = Monitor(State())

    /// - Parameter serve: Serves one connection, on its thread. The descriptor is closed when the call returns. The
    ///   number counts the connections from 1.
    init(serve: @escaping @Sendable (_ descriptor: Int32, _ number: Int) -> Void) throws {
        listener = socket(AF_INET, streamSocket, 0)
        guard listener >= 0 else { throw SystemError("socket") }
        keepFromChildren(listener)
        do {
            port = try Self.listenOnLoopback(listener)
        } catch {
            close(listener)
            throw error
        }
        state.withLock { $0.threads = 1 }
        Thread.detachNewThread { [state, listener] in
            Self.acceptConnections(listener, state, serve)
            state.withLock { $0.threads -= 1 }
        }
    }

    deinit {
        stop()
        close(listener)
    }

    /// How many connections were accepted so far.
    var acceptedConnections: Int { state.withLock { $0.accepted } }

    /// Shuts down the listener and all connections and waits until their threads have ended.
    func stop() {
        state.withLock {
            $0.isStopping = true
            shutdown(listener, Int32(SHUT_RDWR))
            for descriptor in $0.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
        // Far longer than it takes where everything is slow, as under ThreadSanitizer beside other work.
        let ended: Bool? = state.wait(within: .seconds(600)) { $0.threads == 0 ? true : nil }
        precondition(ended == true, "a connection's thread does not end")
    }

    private static func listenOnLoopback(_ listener: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard bind(listener, generic, size) == 0 else { throw SystemError("bind") }
                guard listen(listener, 128) == 0 else { throw SystemError("listen") }
                guard getsockname(listener, generic, &size) == 0 else { throw SystemError("getsockname") }
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func acceptConnections(
        _ listener: Int32,
        _ state: Monitor<State>,
        _ serve: @escaping @Sendable (Int32, Int) -> Void
    ) {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else {
                // A client that gave up in the queue is no reason to end; a listener that was shut down is.
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            keepFromChildren(descriptor)
            var yes: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
            #if !os(Linux)
            setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &yes, socklen_t(MemoryLayout<Int32>.size))
            #endif
            let number: Int? = state.withLock {
                guard !$0.isStopping else { return nil }
                $0.accepted += 1
                $0.threads += 1
                $0.open.insert(descriptor)
                return $0.accepted
            }
            guard let number else {
                close(descriptor)
                return
            }
            Thread.detachNewThread {
                serve(descriptor, number)
                state.withLock {
                    // Closed under the lock, lest stop() shuts down whoever gets the number next.
                    close(descriptor)
                    $0.open.remove(descriptor)
                    $0.threads -= 1
                }
            }
        }
    }
}

#if os(Linux)
let streamSocket = Int32(SOCK_STREAM.rawValue)
#else
let streamSocket = SOCK_STREAM
#endif
