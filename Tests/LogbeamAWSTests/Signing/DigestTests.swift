import Testing

@testable import LogbeamAWS

@Suite("Digest")
struct DigestTests {
    @Test(
        "computes SHA-256 as FIPS 180-4's examples have it",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ]
    )
    func sha256(_ text: String, _ expected: String) throws {
        #expect(Digest.hexadecimal(try Digest.sha256(Array(text.utf8))) == expected)
    }

    @Test(
        "computes HMAC-SHA-256 as RFC 4231's examples have it, and takes an empty key",
        arguments: [
            (
                "Jefe", "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            ("", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ]
    )
    func hmac(_ key: String, _ message: String, _ expected: String) throws {
        let code = try Digest.hmacSHA256(key: Array(key.utf8), Array(message.utf8))
        #expect(Digest.hexadecimal(code) == expected)
    }
}
