import LogbeamCore
import Synchronization
import Testing

@testable import logbeam_spool

@Suite("The service of all spools")
struct SharedServiceTests {
    private struct Clock: DeliveryService {
        let clockOffset: Int64?

        func send(_ batch: EventBatch) -> DeliveryOutcome { .accepted(.none) }
        func create(_ destination: Destination) -> DeliveryOutcome { .accepted(.none) }
        func cancel() {}
    }

    @Test("when it is made anew, knows what was known of the clock until it knows better")
    func clock() {
        let offsets = Mutex<[Int64?]>([nil, 7_000, nil, nil, 9_000])
        let service = SharedService { Clock(clockOffset: offsets.withLock { $0.removeFirst() }) }
        var seen: [Int64?] = [service.clockOffset]
        for _ in 0..<4 {
            service.renew()
            seen.append(service.clockOffset)
        }
        #expect(seen == [nil, 7_000, 7_000, 7_000, 9_000])
    }
}
