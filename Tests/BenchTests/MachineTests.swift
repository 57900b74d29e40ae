import Testing

@testable import logbeam_bench

@Suite("The machine of the benchmark")
struct MachineTests {
    @Test("had of its processor what the host did not take, of the time that was wanted")
    func stolen() {
        let start = Machine.ProcessorTime("cpu  100 0 50 9000 70 0 5 10 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0")
        let end = Machine.ProcessorTime("cpu  140 10 70 9900 170 4 11 30 7 7\ncpu0 9 9 9 9 9 9 9 9 0 0")
        #expect(end.stolen(since: start) == 0.2)
        #expect(end.stolen(since: end) == 0)
        #expect(Machine.ProcessorTime("").stolen(since: Machine.ProcessorTime("")) == 0)
    }

    @Test("says so of itself")
    func itself() throws {
        var machine = try Machine(directory: "/")
        machine.stolen = 0.1034
        #expect(machine.description.hasSuffix(", 10.3 % of the processor stolen"))
    }
}
