import Foundation
import Logbeam
import LogbeamSpool
import LogbeamTestSupport
import Testing

@Suite("The path of a shipper's spool")
struct SpoolPathTests {
    @Test("that can not be made is an error that names what chooses another")
    func unwritable() throws {
        let configuration = LogShipper.Configuration(
            logGroupName: "g",
            logStreamName: "s",
            spool: "/dev/null/logbeam/spool.db"
        )
        let error = try #require(throws: SpoolError.self) { try LogShipper(configuration) }
        #expect(error.kind == .unwritable)
        #expect(error.description.contains("the setting 'spool' or by LOGBEAM_SPOOL"))
    }

    @Test("may be relative, and is told from the root on")
    func relative() throws {
        let fixture = try SpoolFixture()
        let file = fixture.directory.file("file")
        try Data().write(to: URL(fileURLWithPath: file))
        let here = FileManager.default.currentDirectoryPath
        let up = Array(repeating: "..", count: here.split(separator: "/").count).joined(separator: "/")
        var configuration = fixture.configuration
        configuration.spool = "\(up)\(file)/missing/spool.db"
        let error = try #require(throws: SpoolError.self) { try LogShipper(configuration) }
        #expect(error.path == "\(here)/\(configuration.spool)")
    }
}
