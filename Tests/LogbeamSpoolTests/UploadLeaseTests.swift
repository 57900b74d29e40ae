import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("The upload lease")
struct UploadLeaseTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("spool.db")
        _ = try Spool(path: path)
    }

    @Test("is had by one at a time within a process, and comes free with its owner")
    func withinProcess() throws {
        #expect(UploadLease.holder(spool: path) == nil)
        var lease = try UploadLease.acquire(spool: path)
        #expect(lease != nil)
        #expect(try UploadLease.acquire(spool: path) == nil)
        let holder = try #require(UploadLease.holder(spool: path))
        #expect(holder.processID == getpid())
        #expect(holder.host == ProcessInfo.processInfo.hostName || !holder.host.isEmpty)
        // Looking, and failing to get it, did not take it away.
        #expect(try UploadLease.acquire(spool: path) == nil)
        lease = nil
        #expect(UploadLease.holder(spool: path) == nil)
        #expect(try UploadLease.acquire(spool: path) != nil)
    }

    @Test("is had by one process at a time, and comes free when that is killed")
    func betweenProcesses() throws {
        let first = try exerciser("hold", path)
        try first.waitForOutput { $0 == "held\n" }
        #expect(try UploadLease.acquire(spool: path) == nil)
        #expect(UploadLease.holder(spool: path)?.processID == first.processIdentifier)
        let second = try exerciser("hold", path)
        try second.waitForOutput { $0 == "taken\n" }
        #expect(UploadLease.holder(spool: path)?.processID == first.processIdentifier)

        first.kill(SIGKILL)
        #expect(try first.wait().signal == SIGKILL)
        #expect(UploadLease.holder(spool: path) == nil)
        let lease = try UploadLease.acquire(spool: path)
        #expect(lease != nil)
        #expect(UploadLease.holder(spool: path)?.processID == getpid())
    }

    @Test("can be looked at without being taken")
    func looking() throws {
        do { _ = try UploadLease.acquire(spool: path) }
        // The file stays; nobody holds it, and to look does not change that.
        for _ in 1...3 { #expect(UploadLease.holder(spool: path) == nil) }
        #expect(try UploadLease.acquire(spool: path) != nil)
    }

    @Test("is the same by whatever path the spool is known")
    func symbolicLink() throws {
        let link = directory.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        let lease = try UploadLease.acquire(spool: link)
        #expect(lease != nil)
        #expect(try UploadLease.acquire(spool: path) == nil)
        #expect(UploadLease.holder(spool: path)?.processID == getpid())
    }

    @Test("follows no symbolic link to a file of someone else's")
    func foreignLink() throws {
        let target = directory.file("target")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: target))
        try FileManager.default.createSymbolicLink(atPath: path + "-uploader", withDestinationPath: target)
        #expect(spoolError { _ = try UploadLease.acquire(spool: path) }?.kind == .unwritable)
        #expect(UploadLease.holder(spool: path) == nil)
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "precious")
    }

    @Test("can not be had where there is no directory")
    func noDirectory() throws {
        let error = spoolError { _ = try UploadLease.acquire(spool: directory.file("none/spool.db")) }
        #expect(error?.kind == .unwritable)
    }

    @Test("tells what it can of a holder whose note says nothing")
    func emptyNote() throws {
        let lease = try UploadLease.acquire(spool: path)
        try Data().write(to: URL(fileURLWithPath: path + "-uploader"), options: [])
        #expect(UploadLease.holder(spool: path) == UploadLease.Holder(processID: 0, host: "unknown"))
        withExtendedLifetime(lease) {}
    }
}
