import Logbeam
import LogbeamSpool
import Testing

@Suite struct ConfigurationTests {
    private typealias Configuration = LogShipper.Configuration

    /// A setting at a value, and what the error says if that is out of bounds.
    struct Case: Sendable, CustomTestStringConvertible {
        let setting: String
        let error: String?
        let change: @Sendable (inout LogShipper.Configuration) -> Void
        let testDescription: String

        static func passes(
            _ setting: String,
            _ value: String,
            _ change: @escaping @Sendable (inout LogShipper.Configuration) -> Void
        ) -> Case {
            Case(setting: setting, error: nil, change: change, testDescription: "\(setting) = \(value)")
        }

        static func throwing(
            _ setting: String,
            _ value: String,
            _ bound: String,
            _ change: @escaping @Sendable (inout LogShipper.Configuration) -> Void
        ) -> Case {
            let error = "\(setting) is \(value); it must be \(bound)"
            return Case(setting: setting, error: error, change: change, testDescription: "\(setting) = \(value)")
        }
    }

    @Test(arguments: texts + numbers + durations + groups)
    func `A setting passes at its bounds and throws past them`(testCase: Case) {
        var configuration = Configuration(logGroupName: "g", logStreamName: "s", spool: "/tmp/spool.db")
        testCase.change(&configuration)
        do {
            try configuration.validate()
            #expect(testCase.error == nil)
        } catch {
            #expect(error.description == testCase.error)
            #expect(error.setting == testCase.setting)
        }
    }

    private static let texts: [Case] = {
        let group = "1 to 512 of the characters a-z A-Z 0-9 _ - / . #"
        let stream = "1 to 512 characters without : and *"
        let template =
            "text with {hostname}, {instance_id}, {ip_address}, {pid}, {program} and {date:FORMAT}, where FORMAT has "
            + "%Y %m %d %H %M %S %j %%, and {{ and }} stand for braces"
        let spool = "the path of a file, 1 to 504 bytes without NUL, neither :memory: nor a file: URI"
        let home = "a path without ~, which only a shell replaces by the home directory: write that out"
        let region = "1 to 63 letters, digits and hyphens, no hyphen at the ends"
        let endpoint = "an http or https URL of at most 2048 bytes without user name, password and spaces"
        let profile = "1 to 256 bytes without control characters"
        @Sendable func long(_ count: Int) -> String { String(repeating: "a", count: count) }
        func shown(_ count: Int) -> String { "\"\(long(80))\"… (\(count) characters)" }
        return [
            .passes("logGroupName", "all characters") { $0.logGroupName = "/aZ09_-/.#" },
            .passes("logGroupName", "512") { $0.logGroupName = long(512) },
            .throwing("logGroupName", shown(513), group) { $0.logGroupName = long(513) },
            .throwing("logGroupName", #""""#, group) { $0.logGroupName = "" },
            .throwing("logGroupName", #""a b""#, group) { $0.logGroupName = "a b" },
            .throwing("logGroupName", #""a:b""#, group) { $0.logGroupName = "a:b" },
            .throwing("logGroupName", #""é""#, group) { $0.logGroupName = "é" },
            .throwing("logGroupName", #""a\n\u001b""#, group) { $0.logGroupName = "a\n\u{1B}" },
            .passes("logStreamName", "any other") { $0.logStreamName = "2026/11/22/[$LATEST] é 👩‍👩‍👧" },
            .passes("logStreamName", "512") { $0.logStreamName = String(repeating: "é", count: 512) },
            .throwing("logStreamName", shown(513), stream) { $0.logStreamName = long(513) },
            .throwing("logStreamName", #""""#, stream) { $0.logStreamName = "" },
            .throwing("logStreamName", #""a:b""#, stream) { $0.logStreamName = "a:b" },
            .throwing("logStreamName", #""*""#, stream) { $0.logStreamName = "*" },
            // Swift's Character of a colon and an accent is not a colon, but AWS sees one.
            .throwing("logStreamName", "\"a:\u{301}\"", stream) { $0.logStreamName = "a:\u{301}" },
            .passes("logStreamName", "placeholders") { $0.logStreamName = "{{a}}-{hostname}/{date:%H:%M}" },
            .throwing("logStreamName", #""{host}""#, template) { $0.logStreamName = "{host}" },
            .throwing("logStreamName", #""a:{pid}""#, stream) { $0.logStreamName = "a:{pid}" },
            .passes("spool", "relative") { $0.spool = "spool.db" },
            .passes("spool", "504") { $0.spool = long(504) },
            .throwing("spool", shown(505), spool) { $0.spool = long(505) },
            .throwing("spool", #""""#, spool) { $0.spool = "" },
            .throwing("spool", #""a\u0000b""#, spool) { $0.spool = "a\0b" },
            .throwing("spool", #"":memory:""#, spool) { $0.spool = ":memory:" },
            .throwing("spool", #""file:x?mode=memory""#, spool) { $0.spool = "file:x?mode=memory" },
            .throwing("spool", #""~/logs.db""#, home) { $0.spool = "~/logs.db" },
            .passes("spool", "a tilde elsewhere") { $0.spool = "~logs/~/a.db" },
            .passes("region", "63") { $0.region = long(63) },
            .passes("region", "ordinary") { $0.region = "eu-central-1" },
            .throwing("region", #""""#, region) { $0.region = "" },
            .throwing("region", "\"\(long(64))\"", region) { $0.region = long(64) },
            .throwing("region", #""evil.example/""#, region) { $0.region = "evil.example/" },
            .throwing("region", #""-a""#, region) { $0.region = "-a" },
            .throwing("region", #""a-""#, region) { $0.region = "a-" },
            .passes("endpointURL", "http") { $0.endpointURL = "http://127.0.0.1:5000" },
            .passes("endpointURL", "https") { $0.endpointURL = "HTTPS://logs.example/path" },
            .passes("endpointURL", "2048") { $0.endpointURL = "http://h/" + long(2_039) },
            .throwing("endpointURL", "\"http://\(long(73))\"… (2049 characters)", endpoint) {
                $0.endpointURL = "http://" + long(2_042)
            },
            .throwing("endpointURL", #""""#, endpoint) { $0.endpointURL = "" },
            .throwing("endpointURL", #""https://h:99999""#, endpoint) { $0.endpointURL = "https://h:99999" },
            .throwing("endpointURL", #""https://h?x=1""#, endpoint) { $0.endpointURL = "https://h?x=1" },
            .throwing("endpointURL", #""https://[::1""#, endpoint) { $0.endpointURL = "https://[::1" },
            .throwing("endpointURL", #""https://:443""#, endpoint) { $0.endpointURL = "https://:443" },
            .throwing("endpointURL", #""http://""#, endpoint) { $0.endpointURL = "http://" },
            .throwing("endpointURL", #""http:///path""#, endpoint) { $0.endpointURL = "http:///path" },
            .throwing("endpointURL", #""ftp://host""#, endpoint) { $0.endpointURL = "ftp://host" },
            .throwing("endpointURL", #""localhost:5000""#, endpoint) { $0.endpointURL = "localhost:5000" },
            .throwing("endpointURL", #""http://a\r\nb""#, endpoint) { $0.endpointURL = "http://a\r\nb" },
            .throwing("endpointURL", #""(not shown: it holds an @)""#, endpoint) {
                $0.endpointURL = "http://me:secret@host"
            },
            .passes("profile", "256") { $0.profile = long(256) },
            .passes("profile", "with spaces") { $0.profile = "my profile é" },
            .throwing("profile", shown(257), profile) { $0.profile = long(257) },
            .throwing("profile", #""""#, profile) { $0.profile = "" },
            .throwing("profile", #""a\nb""#, profile) { $0.profile = "a\nb" },
            .throwing("profile", #""a\u007f""#, profile) { $0.profile = "a\u{7F}" },
        ]
    }()

    private static let numbers: [Case] = {
        let count = "from 1 to 10000"
        let room = "from 16777216 to 1099511627776 bytes"
        let size = "from 1024 to 1048576 bytes"
        let message = "from 256 to 1048550 bytes"
        return [
            .passes("maxSpoolSize", "16777216") { $0.maxSpoolSize = 16_777_216 },
            .passes("maxSpoolSize", "1099511627776") { $0.maxSpoolSize = 1_099_511_627_776 },
            .throwing("maxSpoolSize", "16777215", room) { $0.maxSpoolSize = 16_777_215 },
            .throwing("maxSpoolSize", "1099511627777", room) { $0.maxSpoolSize = 1_099_511_627_777 },
            .throwing("maxSpoolSize", "-1", room) { $0.maxSpoolSize = -1 },
            .passes("batchCount", "1") { $0.batchCount = 1 },
            .passes("batchCount", "10000") { $0.batchCount = 10_000 },
            .throwing("batchCount", "0", count) { $0.batchCount = 0 },
            .throwing("batchCount", "10001", count) { $0.batchCount = 10_001 },
            .throwing("batchCount", "\(Int.min)", count) { $0.batchCount = .min },
            .passes("maximumInFlight", "1") { $0.maximumInFlight = 1 },
            .passes("maximumInFlight", "16") { $0.maximumInFlight = 16 },
            .throwing("maximumInFlight", "0", "from 1 to 16") { $0.maximumInFlight = 0 },
            .throwing("maximumInFlight", "17", "from 1 to 16") { $0.maximumInFlight = 17 },
            .passes("putsPerSecond", "1") { $0.putsPerSecond = 1 },
            .passes("putsPerSecond", "1000") { $0.putsPerSecond = 1_000 },
            .throwing("putsPerSecond", "0", "from 1 to 1000") { $0.putsPerSecond = 0 },
            .throwing("putsPerSecond", "1001", "from 1 to 1000") { $0.putsPerSecond = 1_001 },
            .passes("batchSize", "1024") { $0.batchSize = 1_024 },
            .passes("batchSize", "1048576") { $0.batchSize = 1_048_576 },
            .throwing("batchSize", "1023", size) { $0.batchSize = 1_023 },
            .throwing("batchSize", "1048577", size) { $0.batchSize = 1_048_577 },
            .passes("maximumMessageSize", "256") { $0.maximumMessageSize = 256 },
            .passes("maximumMessageSize", "1048550") { $0.maximumMessageSize = 1_048_550 },
            .throwing("maximumMessageSize", "255", message) { $0.maximumMessageSize = 255 },
            .throwing("maximumMessageSize", "1048551", message) { $0.maximumMessageSize = 1_048_551 },
        ]
    }()

    private static let groups: [Case] = {
        let days =
            "one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653"
        let key = "1 to 128 letters, digits, spaces and _ . : / = + - @, and not begin with aws:"
        let value = "at most 256 letters, digits, spaces and _ . : / = + - @"
        let arn = "the ARN of a key, at most 256 characters: arn:aws:kms:REGION:ACCOUNT:key/ID"
        let (keys, values) = ("a key of logGroup.tags", "a value of logGroup.tags")
        @Sendable func long(_ count: Int) -> String { String(repeating: "a", count: count) }
        return [
            .passes("logGroup.retentionDays", "1") { $0.logGroup.retentionDays = 1 },
            .passes("logGroup.retentionDays", "3653") { $0.logGroup.retentionDays = 3653 },
            .throwing("logGroup.retentionDays", "0", days) { $0.logGroup.retentionDays = 0 },
            .throwing("logGroup.retentionDays", "31", days) { $0.logGroup.retentionDays = 31 },
            .passes("logGroup.tags", "50") { configuration in
                for number in 1...50 { configuration.logGroup.tags["\(number)"] = "" }
            },
            .throwing("logGroup.tags", "a dictionary of 51", "of at most 50 tags") { configuration in
                for number in 1...51 { configuration.logGroup.tags["\(number)"] = "" }
            },
            .passes(keys, "all kinds") { $0.logGroup.tags = ["Ünï ٣_.:/=+-@": "漢字 _.:/=+-@"] },
            .passes(keys, "longest") { $0.logGroup.tags = [long(128): long(256)] },
            .throwing(keys, #""""#, key) { $0.logGroup.tags = ["": "a"] },
            .throwing(keys, "\"\(long(80))\"… (129 characters)", key) { $0.logGroup.tags = [long(129): ""] },
            .throwing(keys, #""aws:a""#, key) { $0.logGroup.tags = ["aws:a": ""] },
            .throwing(keys, #""a*""#, key) { $0.logGroup.tags = ["a*": ""] },
            .throwing(values, "\"\(long(80))\"… (257 characters)", value) { $0.logGroup.tags = ["a": long(257)] },
            .throwing(values, #""a,b""#, value) { $0.logGroup.tags = ["a": "a,b"] },
            .passes("logGroup.kmsKeyID", "256") { $0.logGroup.kmsKeyID = "arn:" + long(252) },
            .throwing("logGroup.kmsKeyID", "\"arn:\(long(76))\"… (257 characters)", arn) {
                $0.logGroup.kmsKeyID = "arn:" + long(253)
            },
            .throwing("logGroup.kmsKeyID", #""alias/mine""#, arn) { $0.logGroup.kmsKeyID = "alias/mine" },
            .throwing("logGroup.kmsKeyID", #""arn:a b""#, arn) { $0.logGroup.kmsKeyID = "arn:a b" },
        ]
    }()

    private static let durations: [Case] = {
        let buffer = "more than 0 and at most 86400 seconds"
        let timeout = "from 0.001 to 3600 seconds"
        let exit = "from 0 to 3600 seconds"
        let commit = "from 0 to 60 seconds"
        return [
            .passes("whenFull", "0 s") { $0.whenFull = .block(timeout: .zero) },
            .passes("whenFull", "3600 s") { $0.whenFull = .block(timeout: .seconds(3_600)) },
            .throwing("whenFull", "-1 seconds", "a wait from 0 to 3600 seconds") {
                $0.whenFull = .block(timeout: .seconds(-1))
            },
            .throwing("whenFull", "7200 seconds", "a wait from 0 to 3600 seconds") {
                $0.whenFull = .block(timeout: .seconds(7_200))
            },
            .passes("bufferDuration", "1 ns") { $0.bufferDuration = .nanoseconds(1) },
            .passes("bufferDuration", "24 h") { $0.bufferDuration = .seconds(86_400) },
            .throwing("bufferDuration", "0 seconds", buffer) { $0.bufferDuration = .zero },
            .throwing("bufferDuration", "-1 seconds", buffer) { $0.bufferDuration = .seconds(-1) },
            .throwing("bufferDuration", "86400.001 seconds", buffer) { $0.bufferDuration = .milliseconds(86_400_001) },
            .passes("putInterval", "0") { $0.putInterval = .zero },
            .passes("putInterval", "1 min") { $0.putInterval = .seconds(60) },
            .throwing("putInterval", "-0.001 seconds", commit) { $0.putInterval = .milliseconds(-1) },
            .throwing("putInterval", "60.001 seconds", commit) { $0.putInterval = .milliseconds(60_001) },
            .passes("reconcileAfter", "0") { $0.reconcileAfter = .zero },
            .passes("reconcileAfter", "10 min") { $0.reconcileAfter = .seconds(600) },
            .throwing("reconcileAfter", "-0.001 seconds", "from 0 to 600 seconds") {
                $0.reconcileAfter = .milliseconds(-1)
            },
            .throwing("reconcileAfter", "600.001 seconds", "from 0 to 600 seconds") {
                $0.reconcileAfter = .milliseconds(600_001)
            },
            .passes("connectTimeout", "1 ms") { $0.connectTimeout = .milliseconds(1) },
            .passes("connectTimeout", "1 h") { $0.connectTimeout = .seconds(3_600) },
            .throwing("connectTimeout", "0.0009 seconds", timeout) { $0.connectTimeout = .microseconds(900) },
            .throwing("connectTimeout", "3600.001 seconds", timeout) { $0.connectTimeout = .milliseconds(3_600_001) },
            .passes("requestTimeout", "1 ms") { $0.requestTimeout = .milliseconds(1) },
            .passes("requestTimeout", "1 h") { $0.requestTimeout = .seconds(3_600) },
            .throwing("requestTimeout", "0.0009 seconds", timeout) { $0.requestTimeout = .microseconds(900) },
            .throwing("requestTimeout", "3600.001 seconds", timeout) { $0.requestTimeout = .milliseconds(3_600_001) },
            .passes("exitFlushTimeout", "0") { $0.exitFlushTimeout = .zero },
            .passes("exitFlushTimeout", "1 h") { $0.exitFlushTimeout = .seconds(3_600) },
            .throwing("exitFlushTimeout", "-0.001 seconds", exit) { $0.exitFlushTimeout = .milliseconds(-1) },
            .throwing("exitFlushTimeout", "3600.001 seconds", exit) { $0.exitFlushTimeout = .milliseconds(3_600_001) },
            .passes("commitTimeout", "0") { $0.commitTimeout = .zero },
            .passes("commitTimeout", "1 min") { $0.commitTimeout = .seconds(60) },
            .throwing("commitTimeout", "-0.001 seconds", commit) { $0.commitTimeout = .milliseconds(-1) },
            .throwing("commitTimeout", "60.001 seconds", commit) { $0.commitTimeout = .milliseconds(60_001) },
            .passes("leaseLapse", "1 s") { $0.leaseLapse = .seconds(1) },
            .passes("leaseLapse", "1 h") { $0.leaseLapse = .seconds(3_600) },
            .throwing("leaseLapse", "0.999 seconds", "from 1 to 3600 seconds") { $0.leaseLapse = .milliseconds(999) },
            .throwing("leaseLapse", "3601 seconds", "from 1 to 3600 seconds") { $0.leaseLapse = .seconds(3_601) },
            .throwing("leaseLapse", "3600.001 seconds", "from 1 to 3600 seconds") {
                $0.leaseLapse = .milliseconds(3_600_001)
            },
        ]
    }()

    @Test func `The defaults are the documented ones and valid`() throws {
        let configuration = Configuration(logGroupName: "g", logStreamName: "s")
        try configuration.validate()
        #expect(configuration.spool == Configuration.defaultSpoolPath())
        #expect(configuration.logGroup == LogGroupSettings())
        #expect(configuration.createsLogGroup && configuration.createsLogStream)
        #expect(configuration.bufferDuration == .seconds(10))
        #expect(configuration.batchCount == 10_000)
        #expect(configuration.batchSize == 1_048_576)
        #expect(configuration.logsClient == nil)
        #expect(configuration.format.render("m") == "INFO app: m")
        #expect(configuration.maximumInFlight == 2)
        #expect(configuration.reconcileAfter == nil)
        #expect(configuration.putInterval == .zero && configuration.putsPerSecond == nil)
        #expect(configuration.maximumMessageSize == 1_048_550)
        #expect(configuration.oversize == .truncate)
        #expect(configuration.region == nil && configuration.endpointURL == nil && configuration.profile == nil)
        #expect(configuration.gzip)
        #expect(configuration.connectTimeout == .seconds(15))
        #expect(configuration.requestTimeout == .seconds(30))
        #expect(configuration.exitFlushTimeout == .seconds(5))
        #expect(configuration.commitTimeout == .seconds(5))
        #expect(configuration.leaseLapse == .seconds(30) && configuration.leaseLapse == UploadLease.defaultLapse)
        #expect(configuration.durability == .processCrash)
        #expect(!configuration.usesJournal)
    }

    @Test(arguments: [
        (1_048_576, 1_048_550, 1_048_550),
        (1_048_575, 1_048_550, 1_048_549),
        (1_048_576, 262_118, 262_118),
        (1_024, 1_048_550, 998),
        (1_024, 998, 998),
        (1_024, 997, 997),
        (Int.min, 1_048_550, 0),
    ])
    func `The longest message fits into a batch alone`(batchSize: Int, maximum: Int, effective: Int) {
        var configuration = Configuration(logGroupName: "g", logStreamName: "s", batchSize: batchSize)
        configuration.maximumMessageSize = maximum
        #expect(configuration.effectiveMaximumMessageSize == effective)
    }

    @Test(
        arguments: [
            (["LOGBEAM_SPOOL": "a.db", "XDG_STATE_HOME": "/state", "HOME": "/home/a"], "a.db"),
            (["XDG_STATE_HOME": "/state", "HOME": "/home/a"], "/state/logbeam/spool.db"),
            (["HOME": "/home/a"], "/home/a/.local/state/logbeam/spool.db"),
            ([:], "/var/lib/logbeam/spool.db"),
            (["LOGBEAM_SPOOL": "", "XDG_STATE_HOME": "", "HOME": "/home/a"], "/home/a/.local/state/logbeam/spool.db"),
            (["XDG_STATE_HOME": "state", "HOME": "home"], "/var/lib/logbeam/spool.db"),
        ] as [([String: String], String)]
    )
    func `The default spool lies where the environment says`(environment: [String: String], path: String) {
        #expect(Configuration.defaultSpoolPath(environment: environment) == path)
    }
}
