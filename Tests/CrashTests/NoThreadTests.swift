#if os(Linux)
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("A service for whose uploads the system has no thread")
struct NoThreadTests {
    @Test(
        "says so once, logs on, and ships when there is one",
        .disabled(if: Sanitizer.isThread, "a program with ThreadSanitizer takes more address space than it may have")
    )
    func noThread() async throws {
        try await onOwnThread {
            let bed = try TestBed()
            let (service, limit) = try {
                // As long as another process uploads, it needs no threads to send with.
                let lease = try #require(try UploadLease.acquire(Spool(path: bed.spool)))
                let service = try bed.startExerciser("live", 1, shell: "\(ThreadLimit.largeStacks); exec \"$0\" \"$@\"")
                try service.waitForLines(10)
                return try withExtendedLifetime(lease) { (service, try ThreadLimit(of: service.processIdentifier)) }
            }()
            try service.waitForOutput(.standardError) {
                $0.hasPrefix("logbeam: nothing is shipped from \(bed.spool) for now: the system has no thread left: ")
            }
            // It takes the lease for each attempt.
            let attempts = "SELECT value FROM counters WHERE name = 'lease_epoch'"
            let first = try bed.query(attempts)
            #expect(try eventually { try bed.query(attempts) != first })
            let second = try bed.query(attempts)
            #expect(try eventually { try bed.query(attempts) != second })
            try service.waitForLines(service.text().split(separator: "\n").count + 10)
            #expect(bed.arrived().isEmpty)
            try limit.lift()
            #expect(bed.waitForArrival(of: Set(service.text().split(separator: "\n").map(String.init))))
            service.closeInput()
            #expect(try service.wait().exitCode == 0)
            #expect(service.text(.standardError).split(separator: "\n").count == 1)
        }
    }
}
#endif
