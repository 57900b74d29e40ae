import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Credentials")
struct CredentialsTests {
    private func resolve(_ variables: [String: String], profile: String? = nil) throws -> Credentials {
        var variables = variables
        variables["AWS_EC2_METADATA_DISABLED"] = "true"
        return try CredentialsChain(environment: ProcessEnvironment(variables), profile: profile).resolve(at: 0)
            .credentials
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
        dump(CredentialsLookup.found(credentials, place: "here"), to: &dumped)
        let texts = [
            "\(credentials)", String(reflecting: credentials), "\(Holder(credentials: credentials))",
            String(reflecting: [credentials]), "\(CredentialsLookup.found(credentials, place: "here"))", dumped,
        ]
        for text in texts {
            #expect(!text.contains("hidden"))
            #expect(text.contains("AKID"))
        }
    }

    @Test("come from the environment first, with the older name of the token before the newer")
    func environment() throws {
        let directory = try TemporaryDirectory()
        var variables = [
            "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET",
            "AWS_SHARED_CREDENTIALS_FILE": try directory.write("[default]\naws_access_key_id = X", to: "credentials"),
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
        let directory = try TemporaryDirectory()
        let file = try directory.write(
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
        let directory = try TemporaryDirectory()
        let sections = ["default", "newer", "older", "chosen"].map {
            "[\($0)]\naws_access_key_id = \($0)\naws_secret_access_key = S\naws_session_token = T\n"
        }
        try directory.write(sections.joined(), to: ".aws/credentials")
        var variables = ["HOME": directory.path]
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
        let directory = try TemporaryDirectory()
        try directory.write("[other]\n[empty]\nregion = r\n", to: ".aws/credentials")
        func missing(_ variables: [String: String], profile: String? = nil) -> String {
            let error = #expect(throws: CredentialsError.self) { try resolve(variables, profile: profile) }
            return error?.description ?? ""
        }
        let home = directory.path
        #expect(
            missing(["HOME": home, "AWS_PROFILE": "empty"])
                == "no AWS credentials; looked in environment variables (no AWS_ACCESS_KEY_ID), "
                + "then in assumed role (no role_arn in profile [empty]), "
                + "then in web identity (no AWS_WEB_IDENTITY_TOKEN_FILE), "
                + "then in SSO (no sso_account_id in profile [empty]), "
                + "then in shared credentials file (no aws_access_key_id in profile [empty] of \(home)/.aws/credentials), "
                + "then in credential_process (none in profile [empty]), "
                + "then in config file (\(home)/.aws/config: no such file), "
                + "then in container credentials (no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI), "
                + "then in instance metadata (AWS_EC2_METADATA_DISABLED is true); "
                + "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, add a profile with `aws configure`, or give this "
                + "machine or container a role"
        )
        // What five sources miss is said once.
        let nobody =
            "is in neither \(home)/.aws/config (no such file) nor \(home)/.aws/credentials"
        #expect(
            missing(["HOME": home]).hasPrefix(
                "no AWS credentials; looked in environment variables (no AWS_ACCESS_KEY_ID), "
                    + "then in assumed role, SSO, shared credentials file, credential_process, config file "
                    + "(profile [default] \(nobody)), then in web identity (no AWS_WEB_IDENTITY_TOKEN_FILE), "
            )
        )
        #expect(missing([:]).contains("~/.aws/credentials (neither AWS_SHARED_CREDENTIALS_FILE nor HOME is set)"))
        let nowhere = "no AWS credentials from profile [nobody]: profile [nobody] \(nobody); "
        for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
            #expect(
                missing(["HOME": home, variable: "nobody"]) == nowhere + "name another one in \(variable), or unset it"
            )
        }
        #expect(missing(["HOME": home], profile: "nobody") == nowhere + "choose another one")
        let chosen = missing(["HOME": home, "AWS_ACCESS_KEY_ID": "A"], profile: "empty")
        #expect(chosen.contains("environment variables (profile [empty] was chosen by name)"))
    }

    @Test("in a file that cannot be read are an error that says where")
    func unreadable() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("[default]\nnonsense\n", to: "credentials")
        let error = #expect(throws: CredentialsError.self) { try resolve(["AWS_SHARED_CREDENTIALS_FILE": file]) }
        #expect(error?.description.contains("\(file), line 2, section [default]: expected NAME = VALUE") == true)
    }

    @Test("see the real environment, where an empty variable counts as not set")
    func processEnvironment() {
        #expect(ProcessEnvironment.current["PATH"] == ProcessInfo.processInfo.environment["PATH"])
        #expect(ProcessEnvironment(["A": ""])["A"] == nil)
        #expect(ProcessEnvironment(["A": "True"]).isTrue("A"))
        #expect(!ProcessEnvironment(["A": "1"]).isTrue("A"))
    }
}
