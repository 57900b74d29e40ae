/// A part of AWS with accounts, credentials and domains of its own.
package struct AWSPartition: Sendable, Equatable {
    /// As ARNs name it: `aws-cn`.
    package let id: String
    /// What the names of its regions begin with.
    let regionPrefix: String
    let domain: String
    let dualStackDomain: String

    /// From botocore's `partitions.json`. Regions that begin otherwise are in the last one.
    private static let all = [
        AWSPartition("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        AWSPartition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
        AWSPartition("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
        AWSPartition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
        AWSPartition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
        AWSPartition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        AWSPartition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        AWSPartition("aws", "", "amazonaws.com", "api.aws"),
    ]

    private init(_ id: String, _ regionPrefix: String, _ domain: String, _ dualStackDomain: String) {
        self.id = id
        self.regionPrefix = regionPrefix
        self.domain = domain
        self.dualStackDomain = dualStackDomain
    }

    /// The partition of a region, or of a pseudo-region like `aws-cn-global`.
    package static func of(region: String) -> AWSPartition {
        all.first { region.hasPrefix($0.regionPrefix) && !$0.regionPrefix.isEmpty || region == "\($0.id)-global" }
            ?? all[all.count - 1]
    }
}
