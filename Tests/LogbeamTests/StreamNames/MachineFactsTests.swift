import Foundation
import Logbeam
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Logging
import Synchronization
import Testing

@Suite struct MachineFactsTests {
    @Test func `The facts of this process are those that others see`() throws {
        // The kernel's coarse clock, which time(2) reads, lags by some milliseconds.
        let before = Int64(Date().timeIntervalSince1970) - 1
        let facts = MachineFacts.current()
        #expect(facts.secondsSinceEpoch >= before && facts.secondsSinceEpoch <= before + 60)
        #expect(facts.processID == ProcessInfo.processInfo.processIdentifier)
        #expect(facts.program == URL(fileURLWithPath: CommandLine.arguments[0]).lastPathComponent)
        let kernel = try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
        #expect(facts.hostname == kernel.trimmingCharacters(in: .newlines))
    }

    @Test func `The address is one that the machine has, and not loopback's`() async throws {
        let address = MachineFacts.current().ipAddress
        let listed = try await onOwnThread { try Self.addresses() }
        if let address {
            #expect(listed.contains(address))
            #expect(!address.hasPrefix("127.") && address != "::1")
        } else {
            #expect(listed.isEmpty)
        }
    }

    /// All addresses in the kernel's routing table that are local, without loopback's and those of a link alone.
    private static func addresses() throws -> [String] {
        let script = try TemporaryDirectory()
        let path = script.file("addresses.py")
        try """
        import fcntl, socket, struct
        for _, name in socket.if_nameindex():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                try:
                    answer = fcntl.ioctl(s, 0x8915, struct.pack("256s", name.encode()))
                except OSError:
                    continue
            address = socket.inet_ntoa(answer[20:24])
            if not address.startswith("127."):
                print(address)
        for line in open("/proc/net/if_inet6"):
            fields = line.split()
            if fields[3] == "00":
                print(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[0])))
        """.write(toFile: path, atomically: true, encoding: .utf8)
        let output = try Python.run(URL(fileURLWithPath: path))
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func `A shipper resolves each name once, and the spool knows the resolved one`() async throws {
        let fixture = try SpoolFixture { $0.logStreamName = "{program}-{date:%S}" }
        let asked = Atomic(0)
        let service = ScriptedDeliveryService()
        let shipper = try LogShipper(fixture.configuration, service: service) {
            let number = asked.add(1, ordering: .relaxed).newValue
            return MachineFacts(
                hostname: nil,
                ipAddress: nil,
                processID: 1,
                program: "app",
                secondsSinceEpoch: Int64(number),
                instanceID: { "" }
            )
        }
        for name in ["{program}-{date:%S}", "{pid}-{date:%S}", "{pid}-{date:%S}", "plain"] {
            let handler = try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: name)
            Logger(label: "") { _ in handler }.info("\(name)")
        }
        #expect(asked.load(ordering: .relaxed) == 2)
        #expect(try fixture.status().streams.map(\.destination.logStream).sorted() == ["1-02", "app-01", "plain"])
        #expect(await shipper.flush(timeout: patience))
        #expect(Set(service.sent.map(\.destination.logStream)) == ["1-02", "app-01", "plain"])
        #expect(shipper.configuration.logStreamName == "{program}-{date:%S}")
        #expect(throws: ConfigurationError.self) {
            try CloudWatchLogsHandler(label: "", shipper: shipper, logStreamName: "{hostname}")
        }
    }

    @Test func `A name that can not be resolved is thrown before the spool is made`() throws {
        let fixture = try SpoolFixture { $0.logStreamName = "{program}" }
        #expect(throws: ConfigurationError.self) {
            try LogShipper(fixture.configuration, service: ScriptedDeliveryService()) {
                var facts = MachineFacts.current()
                facts.program = nil
                return facts
            }
        }
        #expect(throws: SpoolError.self) { try fixture.status() }
    }
}
