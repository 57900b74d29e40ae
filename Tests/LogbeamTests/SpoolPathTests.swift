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
}
