import Foundation
import LogbeamTestSupport
import Synchronization
import Testing

@Suite("A service whose records do not get through")
struct TroubleTests {
    @Test("tells it once on standard error, and once that it is over")
    func told() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let isOver = Atomic(false)
            bed.endpoint.setScript { _ in
                isOver.load(ordering: .relaxed)
                    ? nil : .status(500, errorType: "InternalFailure", message: "out of order")
            }
            let service = try bed.startService(settings: ["BUFFER_MS": "20", "PAUSE_US": "5000", "STREAMS": "1"])
            try service.waitForOutput(.standardError) { $0.hasSuffix("; trying again\n") }
            // So many that it would have been told again.
            #expect(bed.endpoint.wait { $0.requests.count >= 4 })
            isOver.store(true, ordering: .relaxed)
            try service.waitForOutput(.standardError) { $0.contains("all is well again\n") }
            let told = service.text(.standardError).split(separator: "\n")
            #expect(told.count == 2, "\(told)")
            #expect(told.first?.hasPrefix("logbeam: \(bed.spool): group stream: ") == true)
            #expect(told.first?.contains("out of order") == true)
            #expect(told.last == "logbeam: \(bed.spool): all is well again")
            service.kill(SIGKILL)
            _ = try service.wait()
        }
    }

    @Test(
        "says before its end that it has no credentials and what remains, and no word where all is well",
        arguments: [true, false]
    )
    func credentials(areThere: Bool) async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let none = areThere ? [:] : ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""]
            let time = areThere ? ["EXIT_FLUSH_MS": "3600000"] : [:]
            let service = try bed.startService(logging: 10, settings: none.merging(time) { $1 })
            #expect(try service.wait().exitCode == 0)
            let told = service.text(.standardError).split(separator: "\n")
            #expect(told.map { $0.contains("NoCredentials: ") } == (areThere ? [] : [true, false]), "\(told)")
            if !areThere {
                let remainder = "ended before everything was sent; the rest stays there"
                #expect(told.last == "logbeam: \(bed.spool): \(remainder)")
            }
        }
    }
}
