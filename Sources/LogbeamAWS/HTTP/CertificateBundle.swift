/// The file of certificate authorities that AWS's tools trust instead of the system's.
package enum CertificateBundle {
    /// `AWS_CA_BUNDLE`, else the profile's `ca_bundle`, else `REQUESTS_CA_BUNDLE`, as botocore has it (`_get_verify_value` in
    /// endpoint.py); `nil` for the system's.
    ///
    /// - Parameter profiles: read only if the variable is not set.
    package static func path<Failure>(
        environment: ProcessEnvironment,
        profiles: () throws(Failure) -> Profiles
    ) throws(Failure) -> String? {
        if let path = environment["AWS_CA_BUNDLE"] { return path }
        return try profiles().selected?["ca_bundle"] ?? environment["REQUESTS_CA_BUNDLE"]
    }
}
