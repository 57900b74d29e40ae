import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Profiles")
struct ProfilesTests {
    @Test("are those of both files, the credentials file's settings over the config file's")
    func merge() throws {
        let directory = try TemporaryDirectory()
        try directory.write(
            """
            [default]
            region = eu-central-1
            [profile both]
            region = eu-west-1
            aws_access_key_id = config
            s3 =
              x = 1
            [profile "two words"]
            region = eu-west-2
            [unprefixed]
            region = eu-west-3
            [services here]
            cloudwatch_logs =
              endpoint_url = http://127.0.0.1:1
            [sso-session there]
            sso_region = eu-north-1
            """,
            to: ".aws/config"
        )
        try directory.write(
            "[both]\naws_access_key_id = credentials\ns3 = plain\n[only]\nregion = r\n",
            to: ".aws/credentials"
        )
        let profiles = try Profiles(environment: ProcessEnvironment(["HOME": directory.path]))
        #expect(profiles.selected?["region"] == "eu-central-1")
        #expect(profiles["both"]?.values == ["region": "eu-west-1", "aws_access_key_id": "credentials", "s3": "plain"])
        #expect(profiles["both"]?.nested == [:])
        #expect(profiles["two words"]?["region"] == "eu-west-2")
        #expect(profiles["only"]?["region"] == "r")
        #expect(profiles["unprefixed"] == nil)
        #expect(profiles.config.profiles["both"]?["aws_access_key_id"] == "config")
        #expect(profiles.services["here"]?[nested: "cloudwatch_logs"] == ["endpoint_url": "http://127.0.0.1:1"])
        #expect(profiles.ssoSessions["there"]?["sso_region"] == "eu-north-1")
    }

    @Test(
        "are chosen by the configuration, else by the environment, else default",
        arguments: [
            (nil, [:], "default", nil),
            (nil, ["AWS_PROFILE": "newer"], "newer", .variable("AWS_PROFILE")),
            (
                nil, ["AWS_PROFILE": "newer", "AWS_DEFAULT_PROFILE": "older"], "older",
                .variable("AWS_DEFAULT_PROFILE")
            ),
            ("chosen", ["AWS_DEFAULT_PROFILE": "older"], "chosen", .configuration),
        ] as [(String?, [String: String], String, Profiles.NameSource?)]
    )
    func name(
        _ chosen: String?,
        _ variables: [String: String],
        _ expected: String,
        _ source: Profiles.NameSource?
    ) {
        let result = Profiles.name(chosen: chosen, environment: ProcessEnvironment(variables))
        #expect(result.name == expected)
        #expect(result.source == source)
    }

    @Test("are none where there is no file, or none that may be read, and say why")
    func absent() throws {
        let directory = try TemporaryDirectory()
        let profiles = try Profiles(
            environment: ProcessEnvironment([
                "AWS_CONFIG_FILE": directory.path, "AWS_SHARED_CREDENTIALS_FILE": directory.file("missing"),
            ])
        )
        #expect(profiles.selected == nil)
        #expect(profiles.config.absence == "cannot be read: Is a directory")
        #expect(profiles.credentials.absence == "no such file")
        let homeless = try Profiles(environment: ProcessEnvironment([:]))
        #expect(homeless.config.absence == "neither AWS_CONFIG_FILE nor HOME is set")
    }

    @Test("are none in what is no regular file, which is never waited for nor read", arguments: ["pipe", "/dev/zero"])
    func irregular(_ name: String) async throws {
        let directory = try TemporaryDirectory()
        let path = name.hasPrefix("/") ? name : directory.file(name)
        if !name.hasPrefix("/") { try #require(mkfifo(path, 0o600) == 0) }
        let profiles = try await onOwnThread {
            try Profiles(environment: ProcessEnvironment(["AWS_CONFIG_FILE": path, "HOME": directory.path]))
        }
        #expect(profiles.selected == nil)
        #expect(profiles.config.absence == "cannot be read: not a regular file")
    }

    @Test("may be in a file of a mebibyte, and no larger one")
    func limit() throws {
        let directory = try TemporaryDirectory()
        func profiles(valueLength: Int) throws -> Profiles {
            let file = try directory.write("[a]\nx = " + String(repeating: "x", count: valueLength), to: "config")
            return try Profiles(environment: ProcessEnvironment(["AWS_SHARED_CREDENTIALS_FILE": file]))
        }
        let limit = INIFile.byteLimit
        #expect(try profiles(valueLength: limit - 8)["a"]?["x"]?.utf8.count == limit - 8)
        let path = directory.file("config")
        #expect(throws: INIFile.Failure(path: path, reason: "the file is larger than 1048576 bytes")) {
            try profiles(valueLength: limit - 7)
        }
    }

    @Test("are found by paths with variables and ~ in them")
    func paths() {
        let environment = ProcessEnvironment([
            "HOME": "/h", "A": "/a", "HOMELY": "~/f", "BRACES": "${A}/x$A", "OPEN": "${A", "UNKNOWN": "$B/$",
        ])
        #expect(environment.path("HOMELY", else: "x") == "/h/f")
        #expect(environment.path("BRACES", else: "x") == "/a/x/a")
        #expect(environment.path("OPEN", else: "x") == "${A")
        #expect(environment.path("UNKNOWN", else: "x") == "$B/$")
        #expect(environment.path("UNSET", else: "x/y") == "/h/x/y")
        #expect(ProcessEnvironment([:]).path("UNSET", else: "x") == nil)
        #expect(ProcessEnvironment([:], home: "/list").path("UNSET", else: "x") == "/list/x")
        #expect(ProcessEnvironment(["HOME": "/h"], home: "/list").path("UNSET", else: "x") == "/h/x")
    }

    @Test("are found in the home directories of other users, by ~ and their names")
    func users() throws {
        let home = try #require(getpwuid(0)?.pointee)
        let (name, directory) = (String(cString: home.pw_name), String(cString: home.pw_dir))
        let environment = ProcessEnvironment([
            "HOME": "/h", "ALONE": "~", "USER": "~\(name)", "FILE": "~\(name)/a/~b", "NOBODY": "~/~\(name)",
            "UNKNOWN": "~logbeam no such user/f", "INSIDE": "/x~\(name)",
        ])
        #expect(environment.path("ALONE", else: "x") == "/h")
        #expect(environment.path("USER", else: "x") == directory)
        #expect(environment.path("FILE", else: "x") == "\(directory)/a/~b")
        #expect(environment.path("NOBODY", else: "x") == "/h/~\(name)")
        #expect(environment.path("UNKNOWN", else: "x") == "~logbeam no such user/f")
        #expect(environment.path("INSIDE", else: "x") == "/x~\(name)")
        #expect(ProcessEnvironment(["FILE": "~\(name)/f"]).path("FILE", else: "x") == "\(directory)/f")
    }
}

@Suite("Shell words")
struct ShellWordsTests {
    @Test(
        "are split as Python's shlex does",
        arguments: [
            ("", []), ("  a\tb\r\nc ", ["a", "b", "c"]), ("a'b c'd \"e f\"", ["ab cd", "e f"]),
            (#"'a\' "\"b\\\c" d\ e"#, [#"a\"#, #""b\\c"#, "d e"]), ("''", [""]), ("a '' b", ["a", "", "b"]),
            ("#a ;$(b) *", ["#a", ";$(b)", "*"]), ("'", nil), ("\"a", nil), ("a\\", nil), ("\"a\\", nil),
        ] as [(String, [String]?)]
    )
    func split(_ line: String, _ words: [String]?) {
        #expect(ShellWords.split(line) == words)
    }
}
