import Foundation
import LogbeamCore
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

/// Where what is taken goes.
extension SalvageTests {
    @Test("appends to a good spool: in order, under new ids, with the streams that are there")
    func into() throws {
        let lost = try original.append(1_200)
        try original.append(1, to: original.otherStream)
        try original.spool.reject([RefusedRecord(id: lost[0], reason: .tooOld)])
        try original.spool.noteAndTell(
            Gap(stream: original.stream, reason: "disk full", records: 3, first: 1_000, last: 2_000)
        )
        try copy()
        let target = try TestSpool()
        let other = try target.append(2, to: target.otherStream)
        try target.spool.noteAndTell(Gap(stream: target.stream, reason: "disk full", records: 4, first: 500, last: 600))
        try target.execute("INSERT INTO rejected SELECT \(lost[0]), 1, 1, 'there before', 'expired', 1")
        let before = try target.ids()

        let report = try Salvage.run(path, into: target.path)
        #expect(report.into == target.path && report.records == 1_201)
        let ids = try target.ids()
        #expect(ids.count == before.count + 1_201 && ids.starts(with: before) && ids.starts(with: other))
        #expect(
            try rows("message, timestamp, stream_id FROM records WHERE id > \(before.last ?? 0)", target.path)
                == rows("message, timestamp, stream_id FROM records", original.path)
        )
        #expect(try rows("message FROM rejected", target.path).sorted() == ["message 0", "there before"])
        #expect(
            try rows("records || ' ' || first_at || ' ' || last_at FROM gaps WHERE reason = 'disk full'", target.path)
                == ["7 500 2000"]
        )
    }

    @Test("appends to a spool whose log takes the last of the disk, once that has been copied")
    func scarceDisk() throws {
        try original.append(1_200)
        let target = try TestSpool()
        try target.appendGroups(3, bytes: 1_000)
        var options = Spool.Options()
        options.freeSpace = { DiskSpace.size(of: $0 + "-wal") > 2 << 20 ? 0 : 1 << 40 }
        let spool = try Spool(path: target.path, options: options)
        #expect(try target.walBytes > 2 << 20)
        try spool.append(fromDraft: original.path)
        #expect(try target.ids().count == 3_000 + 1_200)
        #expect(try target.walBytes <= 2 << 20)
    }

    @Test("makes the spool that it is told to, if there is none")
    func newTarget() throws {
        try original.append(3)
        try copy()
        let target = original.directory.file("new.db")
        #expect(try Salvage.run(path, into: target).records == 3)
        #expect(try ids(in: target).count == 3 && mode(target) == 0o600)
    }

    @Test("does not write over what is there, nor into the damaged spool itself")
    func occupied() throws {
        try original.append(3)
        try copy()
        let link = original.directory.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        for target in [path, link] {
            #expect(spoolError { _ = try Salvage.run(path, into: target) }?.kind == .occupied)
        }
        try original.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try copy()
        let directory = original.directory.file("directory")
        try FileManager.default.createSymbolicLink(atPath: directory, withDestinationPath: original.directory.path)
        for target in [path + "-wal", "\(directory)/damaged.db-wal"] {
            #expect(spoolError { _ = try Salvage.run(path, into: target) }?.kind == .occupied)
        }
        for suffix in ["", "-wal", "-journal"] {
            try Data("x".utf8).write(to: URL(fileURLWithPath: salvaged + suffix))
            #expect(spoolError { _ = try Salvage.run(path) }?.kind == .occupied)
            #expect(try Data(contentsOf: URL(fileURLWithPath: salvaged + suffix)) == Data("x".utf8))
            try FileManager.default.removeItem(atPath: salvaged + suffix)
        }
        #expect(try Salvage.run(path).records == 3)
    }

    @Test("ends with an error where there is nothing to read or no place to write")
    func errors() throws {
        #expect(spoolError { _ = try Salvage.run(path) }?.kind == .missing)
        #expect(spoolError { _ = try Salvage.run(original.directory.path) }?.kind == .notASpool)
        try Data("Dear diary".utf8).write(to: URL(fileURLWithPath: path))
        #expect(spoolError { _ = try Salvage.run(path) }?.kind == .notASpool)
        #expect(spoolError { _ = try Salvage.run(path, into: "/dev/null/x") }?.kind == .unwritable)
        #expect(try listing() == ["damaged.db", "spool.db", "spool.db-shm", "spool.db-wal"])
    }
}
