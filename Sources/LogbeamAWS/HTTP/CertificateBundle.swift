/// The file of certificate authorities that AWS's tools trust instead of the system's.
package enum CertificateBundle {
    /// `AWS_CA_BUNDLE`, else the profile's `ca_bundle`; `nil` for the system's.
    package static func path(environment: ProcessEnvironment, profiles: Profiles?) -> String? {
        environment["AWS_CA_BUNDLE"] ?? profiles?.selected?["ca_bundle"]
    }
}
