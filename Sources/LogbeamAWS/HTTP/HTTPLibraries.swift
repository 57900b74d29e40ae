internal import CCurl
internal import COpenSSL
internal import CZlib

/// The C libraries that run below this one.
package enum HTTPLibraries {
    /// `libcurl 7.88.1`, and so on.
    package static var names: [String] {
        let curl = curl_version_info(CURLVERSION_FIRST)?.pointee.version.map { String(cString: $0) }
        return [
            "libcurl \(curl ?? "?")", "OpenSSL \(String(cString: OpenSSL_version(OPENSSL_VERSION_STRING)))",
            "zlib \(String(cString: zlibVersion()))",
        ]
    }
}
