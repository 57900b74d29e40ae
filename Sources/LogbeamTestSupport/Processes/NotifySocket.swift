import Foundation

/// A socket as systemd has it for sd_notify(3): what a service tells is read by the test.
package final class NotifySocket: Sendable {
    /// What `NOTIFY_SOCKET` is to be.
    package let name: String
    private let descriptor: Int32

    /// - Parameter path: where it lies; `nil` for an abstract one (unix(7)).
    package init(path: String? = nil) throws {
        name = path ?? "@logbeam-tests-\(UUID().uuidString)"
        #if os(Linux)
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        #else
        descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard descriptor >= 0 else { throw SystemError("socket") }
        keepFromChildren(descriptor)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = path.map { Array($0.utf8) + [0] } ?? [0] + Array(name.utf8.dropFirst())
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(
            MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path) + bytes.count
        )
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isBound else { throw SystemError("bind") }
    }

    deinit { close(descriptor) }

    /// The lines of the next datagram; `nil` if none comes in time.
    package func receive(within limit: Duration) -> [String]? {
        var target = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&target, 1, Int32(clamping: Int64(limit / .milliseconds(1)))) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return count < 0
            ? nil : String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Reads until a line comes, and returns those before it and itself; `nil` if it does not come.
    package func receive(until isAwaited: (String) -> Bool) -> [String]? {
        var lines: [String] = []
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline, let next = receive(within: deadline - .now) {
            lines += next
            if next.contains(where: isAwaited) { return lines }
        }
        return nil
    }
}
