internal import LogbeamAWS

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What the placeholders in the name of a log stream stand for.
package struct MachineFacts: Sendable {
    package var hostname: String?
    /// The first address of an interface that is up, without loopback: IPv4, else IPv6.
    package var ipAddress: String?
    package var processID: Int32
    /// The name of the executable's file.
    package var program: String?
    package var secondsSinceEpoch: Int64
    /// Looked for only when it is asked for: it may take two requests to the instance metadata service.
    package var instanceID: @Sendable () throws -> String

    package init(
        hostname: String?,
        ipAddress: String?,
        processID: Int32,
        program: String?,
        secondsSinceEpoch: Int64,
        instanceID: @escaping @Sendable () throws -> String
    ) {
        self.hostname = hostname
        self.ipAddress = ipAddress
        self.processID = processID
        self.program = program
        self.secondsSinceEpoch = secondsSinceEpoch
        self.instanceID = instanceID
    }

    /// Those of this machine and this process, as they are now.
    @Sendable package static func current() -> MachineFacts {
        MachineFacts(
            hostname: currentHostname(),
            ipAddress: currentIPAddress(),
            processID: getpid(),
            program: currentProgram(),
            secondsSinceEpoch: Int64(time(nil)),
            instanceID: { try InstanceID.find(environment: .current) }
        )
    }

    private static func currentHostname() -> String? {
        // One more than HOST_NAME_MAX on Linux and MAXHOSTNAMELEN on macOS, so that there is always a NUL.
        var name = [CChar](repeating: 0, count: 257)
        return gethostname(&name, name.count - 1) == 0 ? text(name) : nil
    }

    /// The name of the file, without its folders; where the process was started without one, what the kernel calls it,
    /// which has no more than 15 characters of it.
    private static func currentProgram() -> String? {
        if let path = CommandLine.arguments.first, let name = path.split(separator: "/").last { return String(name) }
        guard let file = fopen("/proc/self/comm", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 65)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        return text(line).split(separator: "\n").first.map(String.init)
    }

    private static func currentIPAddress() -> String? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        var firstIPv6: String?
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            let isUp = entry.ifa_flags & UInt32(IFF_UP) != 0
            guard let address = entry.ifa_addr, isUp, entry.ifa_flags & UInt32(IFF_LOOPBACK) == 0 else {
                continue
            }
            switch Int32(address.pointee.sa_family) {
            case AF_INET:
                if let text = numeric(address, MemoryLayout<sockaddr_in>.size) { return text }
            case AF_INET6 where firstIPv6 == nil:
                let text = numeric(address, MemoryLayout<sockaddr_in6>.size)
                // Addresses of the link alone carry its name: fe80::1%eth0.
                firstIPv6 = text.flatMap { $0.utf8.contains(UInt8(ascii: "%")) ? nil : $0 }
            default: break
            }
        }
        return firstIPv6
    }

    private static func numeric(_ address: UnsafeMutablePointer<sockaddr>, _ length: Int) -> String? {
        // NI_MAXHOST
        var host = [CChar](repeating: 0, count: 1_025)
        let result = getnameinfo(
            address,
            socklen_t(length),
            &host,
            socklen_t(host.count),
            nil,
            0,
            NI_NUMERICHOST
        )
        return result == 0 ? text(host) : nil
    }

    /// What precedes the first NUL.
    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
