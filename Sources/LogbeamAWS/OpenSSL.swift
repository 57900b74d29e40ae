internal import COpenSSL

/// The state that libcrypto keeps for the whole process.
enum OpenSSL {
    /// Starts libcrypto, once. Touch it before the first call into libcrypto or libcurl.
    ///
    /// By default libcrypto frees its tables in an `atexit` handler. The uploader's thread may be in the middle of a
    /// TLS handshake or a signature when the program returns from `main`, and would then run on freed memory. Only the
    /// first initialisation can say that nothing is to be torn down; the kernel takes the memory back anyway.
    static let isReady: Bool = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
}
