import Foundation
import Logbeam
import LogbeamTestSupport
import Testing

@Suite("moto, which verifies every signature with botocore")
struct AuthenticationTests {
    private static let messages = (1...2_000).map { "record \($0) ✓" }

    @Test("takes what is signed with its key")
    func rightSecret() async throws {
        let moto = try await onOwnThread { try MotoServer(authentication: true) }
        let sender = try Sender(to: moto.url, as: moto.accessKey, group: "/signed")
        sender.log(Self.messages)
        #expect(await sender.shipper.flush(timeout: patience))
        #expect(try await moto.readBack(sender.destination).map(\.message) == Self.messages.map { "INFO test: \($0)" })
    }

    @Test("refuses what is signed with another: nothing leaves the spool, status says why, drain exits with 77")
    func wrongSecret() async throws {
        let moto = try await onOwnThread { try MotoServer(authentication: true) }
        let wrong = AccessKey(identifier: moto.accessKey.identifier, secret: "wrong-secret")
        let sender = try Sender(to: moto.url, as: wrong, group: "/unsigned")
        sender.log(Self.messages)
        #expect(await sender.shipper.flush(timeout: patience) == false)
        await sender.shipper.shutdown(timeout: .zero)
        #expect(try await sender.query("SELECT count(*) FROM records") == ["2000"])

        let spool = sender.spool
        try await onOwnThread {
            let command = try BuiltProducts.executable("logbeam-spool")
            let drain = try ChildProcess(
                command,
                ["drain", "--spool", spool],
                environment: Sender.environment(url: moto.url, accessKey: wrong)
            )
            #expect(try drain.wait().exitCode == 77)
            let status = try ChildProcess(command, ["status", "--spool", spool], environment: [:])
            #expect(try status.wait().exitCode == 0)
            for text in [drain.text(.standardError), status.text()] {
                #expect(text.contains("SignatureDoesNotMatch"), "\(text)")
                #expect(!text.contains(wrong.secret))
            }
            // With the right key the same records go out.
            let cured = try ChildProcess(
                command,
                ["drain", "--spool", spool],
                environment: Sender.environment(url: moto.url, accessKey: moto.accessKey)
            )
            #expect(try cured.wait().exitCode == 0, "\(cured.text(.standardError))")
        }
        #expect(try await moto.readBack(sender.destination).map(\.message) == Self.messages.map { "INFO test: \($0)" })
    }
}
