import Foundation
import Testing

@testable import LogbeamAWS

@Suite("Credentials")
struct CredentialsTests {
    private func resolve(_ variables: [String: String], profile: String? = nil) throws -> Credentials {
        try CredentialsChain(environment: ProcessEnvironment(variables), profile: profile).resolve()
    }

    @Test("show neither secret nor token, however they are printed")
    func description() {
        let credentials = Credentials(
            accessKeyID: "AKID",
            secretAccessKey: "hidden-secret",
            sessionToken: "hidden-token"
        )
        struct Holder { var credentials: Credentials }
        var dumped = ""
        dump(Holder(credentials: credentials), to: &dumped)
        dump(CredentialsLookup.found(credentials), to: &dumped)
        let texts = [
            "\(credentials)", String(reflecting: credentials), "\(Holder(credentials: credentials))",
            String(reflecting: [credentials]), "\(CredentialsLookup.found(credentials))", dumped,
        ]
        for text in texts {
            #expect(!text.contains("hidden"))
            #expect(text.contains("AKID"))
        }
    }

    @Test("come from the environment first, with the older name of the token before the newer")
    func environment() throws {
        let folder = try TemporaryFolder()
        var variables = [
            "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET",
            "AWS_SHARED_CREDENTIALS_FILE": try folder.write("[default]\naws_access_key_id = X", to: "credentials"),
        ]
        #expect(try resolve(variables) == Credentials(accessKeyID: "AKID", secretAccessKey: "SECRET"))
        variables["AWS_SESSION_TOKEN"] = "NEW"
        #expect(try resolve(variables).sessionToken == "NEW")
        variables["AWS_SECURITY_TOKEN"] = "OLD"
        #expect(try resolve(variables).sessionToken == "OLD")
        // AWS_PROFILE names a profile, but only a choice in the configuration goes before the environment.
        variables["AWS_PROFILE"] = "default"
        #expect(try resolve(variables).accessKeyID == "AKID")
    }

    @Test("are an error, and no fall-through, where a key has no secret")
    func incomplete() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(
            "[default]\naws_access_key_id = A\naws_secret_access_key = S\n[half]\naws_access_key_id = A\n",
            to: "credentials"
        )
        #expect(
            throws: CredentialsError.incomplete(
                source: "environment variables",
                missing: "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"
            )
        ) {
            try resolve(["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": file])
        }
        let error = #expect(throws: CredentialsError.self) {
            try resolve(["AWS_SHARED_CREDENTIALS_FILE": file], profile: "half")
        }
        #expect(error?.description.contains("profile [half] of \(file)") == true)
    }

    @Test("come from the chosen profile, else the environment's, else default")
    func profile() throws {
        let folder = try TemporaryFolder()
        let sections = ["default", "newer", "older", "chosen"].map {
            "[\($0)]\naws_access_key_id = \($0)\naws_secret_access_key = S\naws_session_token = T\n"
        }
        _ = try folder.write(sections.joined(), to: ".aws/credentials")
        var variables = ["HOME": folder.path]
        #expect(
            try resolve(variables) == Credentials(accessKeyID: "default", secretAccessKey: "S", sessionToken: "T")
        )
        variables["AWS_PROFILE"] = "newer"
        #expect(try resolve(variables).accessKeyID == "newer")
        variables["AWS_DEFAULT_PROFILE"] = "older"
        #expect(try resolve(variables).accessKeyID == "older")
        variables["AWS_ACCESS_KEY_ID"] = "environment"
        variables["AWS_SECRET_ACCESS_KEY"] = "S"
        #expect(try resolve(variables, profile: "chosen").accessKeyID == "chosen")
    }

    @Test("that are nowhere name each place, what is missing there, and the remedy")
    func nowhere() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("[other]\n[empty]\nregion = r\n", to: "credentials")
        func missing(_ variables: [String: String], profile: String? = nil) -> String {
            let error = #expect(throws: CredentialsError.self) { try resolve(variables, profile: profile) }
            return error?.description ?? ""
        }
        let places = "no AWS credentials; looked in environment variables (AWS_ACCESS_KEY_ID is not set), then in "
        let remedy = "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or add a profile with `aws configure`"
        #expect(
            missing(["AWS_SHARED_CREDENTIALS_FILE": file])
                == places + "profile [default] of \(file) (no such section in the file)" + remedy
        )
        #expect(
            missing(["AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": "empty"])
                == places + "profile [empty] of \(file) (the section has no aws_access_key_id)" + remedy
        )
        #expect(
            missing(["HOME": "/nowhere"])
                == places + "profile [default] of /nowhere/.aws/credentials (no such file)" + remedy
        )
        #expect(missing([:]).contains("neither AWS_SHARED_CREDENTIALS_FILE nor HOME is set"))
        #expect(!missing([:], profile: "p").contains("environment variables"))
    }

    @Test("in a file that cannot be read are an error that says where")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("[default]\nnonsense\n", to: "credentials")
        let error = #expect(throws: CredentialsError.self) { try resolve(["AWS_SHARED_CREDENTIALS_FILE": file]) }
        #expect(error?.description.contains("\(file), line 2, section [default]: expected NAME = VALUE") == true)
    }

    @Test("see the real environment, where an empty variable counts as not set")
    func processEnvironment() {
        #expect(ProcessEnvironment.current["PATH"] == ProcessInfo.processInfo.environment["PATH"])
        #expect(ProcessEnvironment(["A": ""])["A"] == nil)
        #expect(ProcessEnvironment(["A": "True"]).isTrue("A"))
        #expect(!ProcessEnvironment(["A": "1"]).isTrue("A"))
        let home = ProcessEnvironment(["HOME": "/h", "FILE": "~/f", "OTHER": "/o"])
        #expect(home.path("FILE", else: "x") == "/h/f")
        #expect(home.path("OTHER", else: "x") == "/o")
        #expect(home.path("UNSET", else: "x/y") == "/h/x/y")
    }
}
