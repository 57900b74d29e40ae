/// What a log group is made with where it is missing. A group that exists is left as it is.
public struct LogGroupSettings: Sendable, Equatable {
    /// For how many days events are kept: one of ``allowedRetentionDays``. `nil`, the default, for ever.
    ///
    /// Takes the permission `logs:PutRetentionPolicy`. It is set by a call of its own, after the group was made: where
    /// that is refused, or fails five times, a line on standard error says how to set it by hand. Records are delivered
    /// all the same. A process that dies between the two calls leaves a group that keeps its events for ever.
    public var retentionDays: Int?

    /// What the group can do and what it costs; can not be changed later. ``LogGroupClass/standard`` by default.
    public var logGroupClass: LogGroupClass

    /// At most 50 tags. Keys have 1 to 128 characters and do not begin with `aws:`, values 0 to 256: letters, digits,
    /// spaces and `_ . : / = + - @` (CreateLogGroup, and "Tag your AWS resources"). Empty by default.
    ///
    /// Takes the permission `logs:TagResource`.
    public var tags: [String: String]

    /// The ARN of the symmetric KMS key that encrypts the group, at most 256 bytes. `nil`, the default, for AWS's own.
    ///
    /// The key's policy must let CloudWatch Logs use it.
    public var kmsKeyID: String?

    /// Creates settings; without arguments, those that CloudWatch Logs has by itself.
    public init(
        retentionDays: Int? = nil,
        logGroupClass: LogGroupClass = .standard,
        tags: [String: String] = [:],
        kmsKeyID: String? = nil
    ) {
        self.retentionDays = retentionDays
        self.logGroupClass = logGroupClass
        self.tags = tags
        self.kmsKeyID = kmsKeyID
    }

    /// The numbers of days that PutRetentionPolicy takes (Amazon CloudWatch Logs API Reference).
    public static let allowedRetentionDays = [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ]
}

/// What a log group can do and what it costs (CreateLogGroup). The raw values are the service's.
public enum LogGroupClass: String, Sendable {
    /// All that CloudWatch Logs can do.
    case standard = "STANDARD"
    /// Cheaper to write to, with less to query it by.
    case infrequentAccess = "INFREQUENT_ACCESS"
    /// For forwarding to Amazon S3 or Data Firehose; events are kept for one day.
    case delivery = "DELIVERY"
}

extension LogGroupSettings {
    /// Throws for the first setting that CreateLogGroup or PutRetentionPolicy would not take.
    func validate() throws(ConfigurationError) {
        if let retentionDays, !Self.allowedRetentionDays.contains(retentionDays) {
            let allowed = Self.allowedRetentionDays.map(String.init).joined(separator: ", ")
            throw ConfigurationError(
                setting: "logGroup.retentionDays",
                shown: "\(retentionDays)",
                bound: "one of \(allowed)"
            )
        }
        guard tags.count <= 50 else {
            throw ConfigurationError(
                setting: "logGroup.tags",
                shown: "a dictionary of \(tags.count)",
                bound: "of at most 50 tags"
            )
        }
        // Sorted, so that it is the same one at every run.
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            guard Self.isTagText(key, length: 1...128), !key.utf8.starts(with: "aws:".utf8) else {
                throw ConfigurationError(
                    setting: "a key of logGroup.tags",
                    value: key,
                    bound: "1 to 128 letters, digits, spaces and _ . : / = + - @, and not begin with aws:"
                )
            }
            guard Self.isTagText(value, length: 0...256) else {
                throw ConfigurationError(
                    setting: "a value of logGroup.tags",
                    value: value,
                    bound: "at most 256 letters, digits, spaces and _ . : / = + - @"
                )
            }
        }
        if let kmsKeyID {
            let isARN =
                kmsKeyID.utf8.starts(with: "arn:".utf8) && kmsKeyID.utf8.count <= 256
                && kmsKeyID.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            guard isARN else {
                throw ConfigurationError(
                    setting: "logGroup.kmsKeyID",
                    value: kmsKeyID,
                    bound: "the ARN of a key, at most 256 characters: arn:aws:kms:REGION:ACCOUNT:key/ID"
                )
            }
        }
    }

    /// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, as the service's model has it for keys and values.
    private static func isTagText(_ text: String, length: ClosedRange<Int>) -> Bool {
        length.contains(text.unicodeScalars.count)
            && text.unicodeScalars.allSatisfy { scalar in
                switch scalar.properties.generalCategory {
                case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
                case .spaceSeparator, .lineSeparator, .paragraphSeparator: true
                case .decimalNumber, .letterNumber, .otherNumber: true
                default: "_.:/=+-@".unicodeScalars.contains(scalar)
                }
            }
    }
}
