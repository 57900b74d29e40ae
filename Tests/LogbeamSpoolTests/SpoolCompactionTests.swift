import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("Compaction")
struct SpoolCompactionTests {
    private func compact(_ compaction: SpoolCompaction) throws -> Int {
        var slices = 0
        var free: Int64? = try compaction.freePages()
        while let pages = free, pages > 0 {
            free = try compaction.giveBackSlice(of: pages)
            slices += 1
        }
        return slices
    }

    @Test("gives all free pages back in slices, and empties the log, and changes no record")
    func compacts() throws {
        let test = try TestSpool()
        let kept = try test.append(3, to: test.otherStream)
        try test.appendGroups(20, bytes: 1_000)
        try test.deliverAll()
        let compaction = try SpoolCompaction(Spool(path: test.path))
        #expect(try compact(compaction) >= 20)
        #expect(try compaction.emptyWAL())
        let size = SpoolSize.of(path: test.path)
        #expect(size.database < 100_000 && size.log < 8_192)
        #expect(try test.ids() == kept)
        #expect(try integrity(of: test.path) == "ok")
        #expect(try compact(compaction) == 0)
    }

    @Test("ends where the file was not made to give pages back")
    func foreign() throws {
        let test = try TestSpool()
        try test.appendGroups(5, bytes: 1_000)
        try test.deliverAll()
        try sqlite3(test.path, "PRAGMA auto_vacuum = NONE; VACUUM")
        try test.appendGroups(5, bytes: 1_000)
        try test.deliverAll()
        let compaction = try SpoolCompaction(test.spool)
        let free = try compaction.freePages()
        #expect(free > 1_000)
        #expect(try compaction.giveBackSlice(of: free) == nil)
    }

    @Test("does not wait for whoever reads the log")
    func reader() throws {
        let test = try TestSpool()
        try test.append()
        let compaction = try SpoolCompaction(test.spool)
        let reader = try SpoolReader(path: test.path)
        try reader.connection.pinningWAL { _ throws(SpoolError) in
            _ = try test.spool.noteFailure(stream: test.stream, message: "x", failures: 1)
            let isEmpty = try compaction.emptyWAL()
            #expect(!isEmpty)
        }
        #expect(try compaction.emptyWAL())
    }
}
