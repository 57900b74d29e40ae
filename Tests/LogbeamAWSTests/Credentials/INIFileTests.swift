import Foundation
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
            after = read\r
            [default]
            region = eu-central-1
            """
        )
        #expect(
            file["default"]?.values == [
                "aws_access_key_id": "AKID", "aws_secret_access_key": "se=cr:et#;x", "region": "eu-central-1",
            ]
        )
        #expect(file["other"]?.values == ["indented": "but it is the first setting", "next": "one", "after": "read"])
        #expect(file["none"] == nil)
        #expect(file.sections.map(\.name) == ["default", "other"])
    }

    @Test("reads what goes on in lines that are indented deeper, and settings inside of a setting")
    func continuation() throws {
        let file = try parse(
            """
            [services s]
            cloudwatch_logs =
              endpoint_url = http://127.0.0.1:1/?a=b
              # a comment

              Empty =
              Other=x
            command = one
                [two]
              # a comment
                three
              four
            last = y
            """
        )
        let section = try #require(file["services s"])
        #expect(section[nested: "cloudwatch_logs"] == ["endpoint_url": "http://127.0.0.1:1/?a=b", "Other": "x"])
        #expect(section["cloudwatch_logs"] == nil)
        #expect(section["command"] == "one\n[two]\nthree\nfour")
        #expect(section["last"] == "y")
    }

    @Test("lets the last of two settings count, and an empty one be none")
    func duplicates() throws {
        #expect(try parse("[a]\nx = 1\nx = 2\ny = 1\ny =\n")["a"]?.values == ["x": "2"])
        let replaced = try parse("[a]\nx = 1\nx =\n  y = 2\nz =\n  y = 2\nz = 1\n")["a"]
        #expect(replaced?.values == ["z": "1"])
        #expect(replaced?.nested == ["x": ["y": "2"]])
    }

    @Test("goes on with any of many sections where its name comes again")
    func manySections() throws {
        let names = (0..<3_000).map { "section \($0)" }
        let text = names.map { "[\($0)]\nfirst = \($0)\n" } + names.reversed().map { "[\($0)]\nsecond = \($0)\n" }
        let file = try parse(text.joined())
        for name in names { #expect(file[name]?.values == ["first": name, "second": name]) }
    }

    @Test("lets every section have what stands in DEFAULT and not in the section")
    func defaults() throws {
        let file = try parse("[a]\nx = 1\n[DEFAULT]\nx = 2\ny = 3\n")
        #expect(file["a"]?.values == ["x": "1", "y": "3"])
        #expect(file["DEFAULT"] == nil)
    }

    @Test(
        "names file, section and line of what it cannot read, but never quotes it",
        arguments: [
            ("[a]\nx = 1\nsecret", "/a/file, line 3, section [a]: expected NAME = VALUE"),
            ("[a]\n= secret", "/a/file, line 2, section [a]: expected NAME = VALUE"),
            ("secret = 1", "/a/file, line 1: a setting stands before the first [SECTION]"),
            ("[a]\n\n[b", "/a/file, line 3, section [a]: the section's name has no ]"),
            (
                "[a]\nx =\n  y = 1\n  secret\n",
                "/a/file, line 2, section [a]: expected NAME = VALUE in each line of the value"
            ),
        ]
    )
    func errors(_ text: String, _ expected: String) {
        let error = #expect(throws: INIFile.Failure.self) { try parse(text) }
        #expect(error?.description == expected)
    }

    @Test("refuses what is not UTF-8")
    func encoding() throws {
        #expect(throws: INIFile.Failure(path: "f", reason: "the file is not UTF-8")) {
            try INIFile([0x5B, 0xFF, 0x5D], path: "f")
        }
    }

    @Test("shows the names of settings and no value, however it is printed")
    func description() throws {
        let file = try parse("[a]\nplain = hidden\nnested =\n  x = hidden\n")
        var texts = ["\(file)", String(reflecting: file), "\(file.sections)"]
        var dumped = ""
        dump(file, to: &dumped)
        texts.append(dumped)
        for text in texts {
            #expect(!text.contains("hidden"))
            #expect(text.contains("plain"))
        }
    }
}
