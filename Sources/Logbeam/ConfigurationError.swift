internal import LogbeamAWS
internal import LogbeamCore

/// A setting that can not work.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// The name of the setting, as in ``LogShipper/Configuration``.
    public let setting: String
    /// The value it has, on one line and cut after 80 characters. Text is quoted and escaped as in JSON.
    public let value: String
    /// What the value must be.
    public let bound: String

    /// The setting, its value and its bound, on one line.
    public var description: String { "\(setting) is \(value); it must be \(bound)" }

    package init(setting: String, value: String, bound: String) {
        var quoted = TextWriter()
        quoted.writeQuoted(value.unicodeScalars.prefix(80))
        let length = value.unicodeScalars.count
        self.init(
            setting: setting,
            shown: length > 80 ? "\(quoted.text)… (\(length) characters)" : quoted.text,
            bound: bound
        )
    }

    init(setting: String, shown: String, bound: String) {
        self.setting = setting
        self.value = shown
        self.bound = bound
    }
}

extension LogShipper.Configuration {
    /// Throws for the first setting, in the order of the initializer, that is out of its bounds.
    ///
    /// Looks at the values alone: not at the file system, not at the network.
    public func validate() throws(ConfigurationError) {
        try check(
            Destination.isValid(logGroup: logGroupName),
            "logGroupName",
            logGroupName,
            Destination.logGroupBound
        )
        // What its placeholders stand for is known, and checked, only when a shipper is made.
        _ = try StreamNameTemplate(logStreamName)
        try logGroup.validate()
        try validateSpool()
        try check(
            bufferDuration > .zero && bufferDuration <= .seconds(86_400),
            "bufferDuration",
            bufferDuration,
            "more than 0 and at most 86400 seconds"
        )
        try check("batchCount", batchCount, in: 1...10_000)
        try check("batchSize", batchSize, in: 1_024...1_048_576, unit: " bytes")
        try check("maximumInFlight", maximumInFlight, in: 1...16)
        try check("putInterval", putInterval, in: .zero ... .seconds(60))
        if let putsPerSecond { try check("putsPerSecond", putsPerSecond, in: 1...1_000) }
        if let reconcileAfter { try check("reconcileAfter", reconcileAfter, in: .zero ... .seconds(600)) }
        try check("maximumMessageSize", maximumMessageSize, in: 256...1_048_550, unit: " bytes")
        try validateAWS()
        try check("exitFlushTimeout", exitFlushTimeout, in: .zero ... .seconds(3_600))
        try check("commitTimeout", commitTimeout, in: .zero ... .seconds(60))
        try check("leaseLapse", leaseLapse, in: .seconds(1) ... .seconds(3_600))
    }

    private func validateSpool() throws(ConfigurationError) {
        try check(
            (1...504).contains(spool.utf8.count) && !spool.utf8.contains(0) && spool != ":memory:"
                && !spool.utf8.starts(with: "file:".utf8),
            "spool",
            spool,
            "the path of a file, 1 to 504 bytes without NUL, neither :memory: nor a file: URI"
        )
        try check(
            !spool.utf8.starts(with: "~/".utf8),
            "spool",
            spool,
            "a path without ~, which only a shell replaces by the home directory: write that out"
        )
        try check("maxSpoolSize", maxSpoolSize, in: 16_777_216...1_099_511_627_776, unit: " bytes")
        if case .block(let timeout) = whenFull {
            try check(
                timeout >= .zero && timeout <= .seconds(3_600),
                "whenFull",
                timeout,
                "a wait from 0 to 3600 seconds"
            )
        }
    }

    /// What says how AWS is reached.
    private func validateAWS() throws(ConfigurationError) {
        if let region {
            try check(
                Endpoint.isHostLabel(region),
                "region",
                region,
                "1 to 63 letters, digits and hyphens, no hyphen at the ends"
            )
        }
        if let endpointURL {
            // What precedes the @ may be a password.
            let shown = endpointURL.utf8.contains(UInt8(ascii: "@")) ? "(not shown: it holds an @)" : endpointURL
            try check(
                Self.isEndpointURL(endpointURL),
                "endpointURL",
                shown,
                "an http or https URL of at most 2048 bytes without user name, password and spaces"
            )
        }
        if let profile {
            try check(
                (1...256).contains(profile.utf8.count) && profile.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F },
                "profile",
                profile,
                "1 to 256 bytes without control characters"
            )
        }
        try check("connectTimeout", connectTimeout, in: .milliseconds(1) ... .seconds(3_600))
        try check("requestTimeout", requestTimeout, in: .milliseconds(1) ... .seconds(3_600))
    }

    private func check(
        _ isInBounds: Bool,
        _ setting: String,
        _ value: String,
        _ bound: String
    ) throws(ConfigurationError) {
        if !isInBounds { throw ConfigurationError(setting: setting, value: value, bound: bound) }
    }

    private func check(
        _ isInBounds: Bool,
        _ setting: String,
        _ value: Duration,
        _ bound: String
    ) throws(ConfigurationError) {
        if !isInBounds {
            throw ConfigurationError(setting: setting, shown: value.exactSeconds + " seconds", bound: bound)
        }
    }

    private func check(
        _ setting: String,
        _ value: Int,
        in bounds: ClosedRange<Int>,
        unit: String = ""
    ) throws(ConfigurationError) {
        if bounds.contains(value) { return }
        let bound = "from \(bounds.lowerBound) to \(bounds.upperBound)\(unit)"
        throw ConfigurationError(setting: setting, shown: "\(value)", bound: bound)
    }

    private func check(
        _ setting: String,
        _ value: Duration,
        in bounds: ClosedRange<Duration>
    ) throws(ConfigurationError) {
        let bound = "from \(bounds.lowerBound.exactSeconds) to \(bounds.upperBound.exactSeconds) seconds"
        try check(bounds.contains(value), setting, value, bound)
    }

    private static func isEndpointURL(_ text: String) -> Bool {
        text.utf8.count <= 2_048 && (try? Endpoint.parse(text, source: "", region: "")) != nil
    }
}

extension Duration {
    /// `3601`, `-0.25`: its own description goes by way of a floating-point number.
    fileprivate var exactSeconds: String {
        let (seconds, attoseconds) = components
        let sign = seconds < 0 || attoseconds < 0 ? "-" : ""
        var text = sign + String(seconds.magnitude)
        if attoseconds != 0 {
            let digits = String(attoseconds.magnitude)
            let fraction = String(repeating: "0", count: 18 - digits.count) + digits
            text += "." + fraction.prefix(fraction.count - fraction.reversed().prefix { $0 == "0" }.count)
        }
        return text
    }
}
