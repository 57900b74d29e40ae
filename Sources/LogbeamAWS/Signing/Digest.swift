internal import COpenSSL

/// SHA-256, HMAC-SHA-256 and SHA-1, each in one call into libcrypto.
enum Digest {
    /// libcrypto could not compute a digest: it is out of memory, or its provider has SHA-256 switched off.
    struct Failure: Error, Equatable, Sendable {}

    /// The number of bytes of a SHA-256 digest, and so of its HMAC.
    static let byteCount = Int(SHA256_DIGEST_LENGTH)

    static func sha256(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
        guard OpenSSL.isReady else { throw Failure() }
        var digest = [UInt8](repeating: 0, count: byteCount)
        // libcrypto takes no null pointer, which an empty array may give.
        let computed = bytes.isEmpty ? SHA256([0], 0, &digest) : SHA256(bytes, bytes.count, &digest)
        guard computed != nil else { throw Failure() }
        return digest
    }

    /// For names of files alone: SHA-1 protects nothing any more.
    static func sha1(_ bytes: [UInt8]) throws(Failure) -> [UInt8] {
        guard OpenSSL.isReady else { throw Failure() }
        var digest = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
        let computed = bytes.isEmpty ? SHA1([0], 0, &digest) : SHA1(bytes, bytes.count, &digest)
        guard computed != nil else { throw Failure() }
        return digest
    }

    static func hmacSHA256(key: [UInt8], _ message: [UInt8]) throws(Failure) -> [UInt8] {
        guard OpenSSL.isReady, let keyLength = Int32(exactly: key.count) else { throw Failure() }
        var digest = [UInt8](repeating: 0, count: byteCount)
        var length = UInt32(byteCount)
        let computed =
            key.isEmpty
            ? HMAC(EVP_sha256(), [0], 0, message, message.count, &digest, &length)
            : HMAC(EVP_sha256(), key, keyLength, message, message.count, &digest, &length)
        guard computed != nil, Int(length) == byteCount else { throw Failure() }
        return digest
    }

    /// Lower-case hexadecimal, as the signature's fields are written.
    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: bytes.count * 2) { buffer in
            for (index, byte) in bytes.enumerated() {
                buffer[index * 2] = digits[Int(byte >> 4)]
                buffer[index * 2 + 1] = digits[Int(byte & 15)]
            }
            return bytes.count * 2
        }
    }
}
