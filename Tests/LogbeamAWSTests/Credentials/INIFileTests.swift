import Testing

@testable import LogbeamAWS

@Suite("INI file")
struct INIFileTests {
    private func parse(_ text: String) throws -> INIFile {
        try INIFile(Array(text.utf8), path: "/a/file")
    }

    @Test("reads sections and settings as the AWS command line does")
    func reads() throws {
        let file = try parse(
            """
            # a comment
            ; another one
            [default]
            aws_access_key_id = AKID
            AWS_SECRET_ACCESS_KEY=se=cr:et#;x
            [ other ] trailing
            \tindented = but it is the first setting
            \tnext: one
            \r
            s3 =
              nested = left out
            after = read\r
            [default]
            region = eu-central-1
            """
        )
        #expect(
            file["default"] == [
                "aws_access_key_id": "AKID", "aws_secret_access_key": "se=cr:et#;x", "region": "eu-central-1",
            ]
        )
        #expect(file["other"] == ["indented": "but it is the first setting", "next": "one", "after": "read"])
        #expect(file["none"] == nil)
    }

    @Test("lets the last of two settings count, and an empty one be none")
    func duplicates() throws {
        #expect(try parse("[a]\nx = 1\nx = 2\ny = 1\ny =\n")["a"] == ["x": "2"])
    }

    @Test(
        "names file, section and line of what it cannot read, but never quotes it",
        arguments: [
            ("[a]\nx = 1\nsecret", "/a/file, line 3, section [a]: expected NAME = VALUE"),
            ("[a]\n= secret", "/a/file, line 2, section [a]: expected NAME = VALUE"),
            ("secret = 1", "/a/file, line 1: a setting stands before the first [SECTION]"),
            ("[a]\n\n[b", "/a/file, line 3, section [a]: the section's name has no ]"),
        ]
    )
    func errors(_ text: String, _ expected: String) {
        let error = #expect(throws: INIFile.Failure.self) { try parse(text) }
        #expect(error?.description == expected)
    }

    @Test("refuses what is not UTF-8, a folder, and a file above the limit")
    func refuses() throws {
        let folder = try TemporaryFolder()
        #expect(throws: INIFile.Failure(path: "f", reason: "the file is not UTF-8")) {
            try INIFile([0x5B, 0xFF, 0x5D], path: "f")
        }
        #expect(throws: INIFile.Failure(path: folder.path, reason: "Is a directory")) {
            try INIFile(path: folder.path)
        }
        let limit = INIFile.byteLimit
        let largest = try folder.write("[a]\nx = " + String(repeating: "x", count: limit - 8), to: "largest")
        #expect(try INIFile(path: largest)?["a"]?["x"]?.utf8.count == limit - 8)
        let tooLarge = try folder.write("[a]\nx = " + String(repeating: "x", count: limit - 7), to: "too-large")
        #expect(throws: INIFile.Failure(path: tooLarge, reason: "the file is larger than 1048576 bytes")) {
            try INIFile(path: tooLarge)
        }
        #expect(try INIFile(path: folder.path("missing")) == nil)
    }
}
