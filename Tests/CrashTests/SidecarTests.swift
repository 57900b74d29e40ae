import Foundation
import LogbeamTestSupport
import Testing

@Suite("A service that only writes, and a process that ships", .serialized)
struct SidecarTests {
    private static let writeOnly = ["UPLOADS": "0", "PAUSE_US": "50"]

    @Test("The service is killed: all that it had logged arrives, once", arguments: [false, true])
    func killedService(usesJournal: Bool) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let ship = try bed.startShip()
            let settings = Self.writeOnly.merging(usesJournal ? ["JOURNAL": "1"] : [:]) { $1 }
            let service = try bed.startService(threads: 2, settings: settings)
            try service.waitForLines(2_000)
            service.kill(SIGKILL)
            _ = try service.wait()
            let logged = TestBed.logged(by: service)
            #expect(bed.waitForArrival(of: Set(logged)))
            ship.kill(SIGTERM)
            #expect(try ship.wait().exitCode == 0, "\(ship.text(.standardError))")
            let counts = bed.shipped().reduce(into: [:]) { $0[$1, default: 0] += 1 }
            #expect(counts.values.allSatisfy { $0 == 1 })
            // Two threads may have committed one record each of which they could not tell any more.
            #expect(counts.count - logged.count <= 2)
            #expect(try bed.pending().isEmpty)
        }
    }

    @Test("The process that ships is killed: the service logs on, and the next one ships all of it")
    func killedShip() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let service = try bed.startService(settings: Self.writeOnly)
            try service.waitForLines(10)
            let first = try bed.startShip()
            #expect(bed.waitForArrival(of: Set(TestBed.logged(by: service))))
            first.kill(SIGKILL)
            _ = try first.wait()
            let doubts = Set(try bed.inDoubt())
            try service.waitForLines(service.text().utf8.count { $0 == UInt8(ascii: "\n") } + 100)
            let second = try bed.startShip()
            service.kill(SIGTERM)
            _ = try service.wait()
            #expect(bed.waitForArrival(of: Set(TestBed.logged(by: service))))
            second.kill(SIGTERM)
            #expect(try second.wait().exitCode == 0, "\(second.text(.standardError))")
            let counts = bed.shipped().reduce(into: [:]) { $0[$1, default: 0] += 1 }
            #expect(counts.filter { $1 > (doubts.contains($0) ? 2 : 1) }.isEmpty)
        }
    }

    @Test("A service that only writes ends without waiting for what it has logged, and without a request")
    func end() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let gate = Gate()
            bed.endpoint.setScript { _ in .hangBeforeAccepting(gate) }
            let settings = ["UPLOADS": "0", "EXIT_FLUSH_MS": "3600000"]
            let service = try bed.startService(logging: 10, settings: settings)
            #expect(try service.wait().exitCode == 0)
            #expect(try bed.pending() == TestBed.logged(by: service))
            #expect(bed.endpoint.records.requests.isEmpty)
            gate.open()
        }
    }
}
