extension EnvironmentRow {
    private static let base = "aws_access_key_id = BASE\naws_secret_access_key = hidden\n"
    private static let role = "arn:aws:iam::123456789012:role"

    /// Roles, web identity and SSO.
    static let roles: [EnvironmentRow] = [
        EnvironmentRow(
            "a role by a source profile",
            ["AWS_PROFILE": "r"],
            config: "[profile r]\nrole_arn = \(role)/one\nsource_profile = base\n",
            credentials: "[base]\n\(base)"
        ),
        EnvironmentRow(
            "a role with everything",
            ["AWS_PROFILE": "r"],
            config: """
                [profile r]
                role_arn = \(role)/one&two=3 ü
                source_profile = base
                external_id = e/x+t
                role_session_name = me@here
                duration_seconds = 1800
                region = eu-west-2
                """,
            credentials: "[base]\n\(base)aws_session_token = BASETOKEN\n"
        ),
        EnvironmentRow(
            "a duration that is no number",
            ["AWS_PROFILE": "r"],
            config: "[profile r]\nrole_arn = \(role)/one\nsource_profile = base\nduration_seconds = long\n",
            credentials: "[base]\n\(base)"
        ),
        EnvironmentRow(
            "keys in variables go before a role",
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"],
            config: "[default]\nrole_arn = \(role)/one\nsource_profile = base\n",
            credentials: "[base]\n\(base)"
        ),
        EnvironmentRow(
            "a chain of three roles",
            ["AWS_PROFILE": "a"],
            config: """
                [profile a]
                role_arn = \(role)/a
                source_profile = b
                [profile b]
                role_arn = \(role)/b
                source_profile = c
                external_id = of-b
                [profile c]
                role_arn = \(role)/c
                source_profile = base
                """,
            credentials: "[base]\n\(base)"
        ),
        EnvironmentRow(
            "a circle of roles",
            ["AWS_PROFILE": "a"],
            config: "[profile a]\nrole_arn = \(role)/a\nsource_profile = b\n"
                + "[profile b]\nrole_arn = \(role)/b\nsource_profile = a\n"
        ),
        EnvironmentRow(
            "a profile that is its own source, with keys",
            ["AWS_PROFILE": "a"],
            config: "[profile a]\nrole_arn = \(role)/a\nsource_profile = a\n\(base)"
        ),
        EnvironmentRow(
            "a profile that is its own source, without keys",
            ["AWS_PROFILE": "a"],
            config: "[profile a]\nrole_arn = \(role)/a\nsource_profile = a\n"
        ),
        EnvironmentRow(
            "a source profile with keys and a role: its keys count",
            ["AWS_PROFILE": "a"],
            config: "[profile a]\nrole_arn = \(role)/a\nsource_profile = b\n"
                + "[profile b]\nrole_arn = \(role)/b\nsource_profile = base\n\(base)"
        ),
        EnvironmentRow(
            "a source profile that does not exist",
            config: "[default]\nrole_arn = \(role)/a\nsource_profile = nobody\n"
        ),
        EnvironmentRow(
            "a source profile without credentials",
            config: "[default]\nrole_arn = \(role)/a\nsource_profile = b\n[profile b]\nregion = eu-west-1\n"
        ),
        EnvironmentRow("a role without a source", config: "[default]\nrole_arn = \(role)/a\n"),
        EnvironmentRow(
            "a role with two sources",
            config: "[default]\nrole_arn = \(role)/a\nsource_profile = b\ncredential_source = Environment\n",
            credentials: "[b]\n\(base)"
        ),
        EnvironmentRow(
            "a role by a process",
            config: "[default]\nrole_arn = \(role)/a\nsource_profile = b\n"
                + "[profile b]\ncredential_process = cat {home}/give.json\n",
            files: ["give.json": #"{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "S", "SessionToken": "T"}"#]
        ),
        EnvironmentRow(
            "a role by variables, for a profile chosen by name",
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"],
            config: "[profile p]\nrole_arn = \(role)/a\ncredential_source = Environment\n",
            chosen: "p"
        ),
        EnvironmentRow(
            "a role by the container",
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "{server}/container/ok"],
            config: "[default]\nrole_arn = \(role)/a\ncredential_source = EcsContainer\n"
        ),
        EnvironmentRow(
            "a role by the instance",
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "{server}/imds-ok"],
            config: "[default]\nrole_arn = \(role)/a\ncredential_source = Ec2InstanceMetadata\n"
        ),
        EnvironmentRow(
            "a role by a source that has nothing",
            config: "[default]\nrole_arn = \(role)/a\ncredential_source = Environment\n"
        ),
        EnvironmentRow(
            "a role by an unknown source",
            ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""],
            config: "[default]\nrole_arn = \(role)/a\ncredential_source = environment\n"
        ),
        EnvironmentRow(
            "a role that is refused",
            config: "[default]\nrole_arn = \(role)/denied\nsource_profile = b\n",
            credentials: "[b]\n\(base)[default]\n\(base)"
        ),
        EnvironmentRow(
            "STS of the region of the profile",
            ["AWS_PROFILE": "r", "AWS_DEFAULT_REGION": ""],
            config: "[profile r]\nrole_arn = \(role)/one\nsource_profile = base\nregion = us-gov-west-1\n",
            credentials: "[base]\n\(base)"
        ),
        EnvironmentRow(
            "a token file (EKS)",
            [
                "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": "\(role)/web",
                "AWS_ROLE_SESSION_NAME": "pod",
            ],
            files: ["token": "eyJ.a+b/c=.d"]
        ),
        EnvironmentRow(
            "a token file goes before the credentials file",
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": "\(role)/web"],
            credentials: "[default]\n\(base)",
            files: ["token": "eyJ.hidden"]
        ),
        EnvironmentRow(
            "a token file in the profile",
            config:
                "[default]\nrole_arn = \(role)/web\nweb_identity_token_file = {home}/token\nrole_session_name = nn\n",
            files: ["token": "eyJ.hidden"]
        ),
        EnvironmentRow(
            "a token file that variables and the profile name",
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": "\(role)/variable"],
            config: "[default]\nrole_arn = \(role)/web\nweb_identity_token_file = {home}/no\n",
            files: ["token": "eyJ.hidden"]
        ),
        EnvironmentRow(
            "a token file in variables, and a profile chosen by name",
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token", "AWS_ROLE_ARN": "\(role)/variable"],
            credentials: "[p]\n\(base)",
            files: ["token": "eyJ.hidden"],
            chosen: "p"
        ),
        EnvironmentRow(
            "a token file without a role",
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token"],
            credentials: "[default]\n\(base)",
            files: ["token": "eyJ.hidden"]
        ),
        EnvironmentRow(
            "a token file that is missing",
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/no", "AWS_ROLE_ARN": "\(role)/web"],
            credentials: "[default]\n\(base)"
        ),
        EnvironmentRow(
            "a role by a token file of the source profile",
            config: "[default]\nrole_arn = \(role)/a\nsource_profile = web\n"
                + "[profile web]\nrole_arn = \(role)/web\nweb_identity_token_file = {home}/token\n",
            files: ["token": "eyJ.hidden"]
        ),
        EnvironmentRow(
            "SSO as it was",
            config: "[default]\n\(ssoLegacy)",
            files: ssoFile("https://d.awsapps.com/start")
        ),
        EnvironmentRow(
            "SSO as it was, goes before the credentials file",
            config: "[default]\n\(ssoLegacy)",
            credentials: "[default]\n\(base)",
            files: ssoFile("https://d.awsapps.com/start")
        ),
        EnvironmentRow(
            "SSO as it was, with a token that has ended",
            config: "[default]\n\(ssoLegacy)",
            files: ssoFile("https://d.awsapps.com/start", end: "2020-06-17T10:02:08UTC")
        ),
        EnvironmentRow("SSO without a login", config: "[default]\n\(ssoLegacy)"),
        EnvironmentRow(
            "SSO with a token that was revoked",
            config: "[default]\n\(ssoLegacy)",
            files: ssoFile("https://d.awsapps.com/start", token: "revoked")
        ),
        EnvironmentRow(
            "SSO that is not complete",
            config:
                "[default]\nsso_start_url = https://d.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 1\n",
            files: ssoFile("https://d.awsapps.com/start")
        ),
        EnvironmentRow("SSO by a session", config: ssoBySession, files: ssoFile("corp")),
        EnvironmentRow(
            "SSO by a session whose token is renewed",
            config: ssoBySession,
            files: ssoFile("corp", end: "2020-01-01T00:00:00Z", refresh: "again")
        ),
        EnvironmentRow(
            "SSO by a session whose token cannot be renewed",
            config: ssoBySession,
            files: ssoFile("corp", end: "2020-01-01T00:00:00Z", refresh: "revoked")
        ),
        EnvironmentRow(
            "SSO by a session that does not exist",
            config: "[default]\nsso_session = other\nsso_account_id = 1\nsso_role_name = r\n",
            files: ssoFile("other"),
            differs: Difference.endpoint(because: "a variable names the region; what is missing are credentials")
        ),
        EnvironmentRow(
            "SSO by a session that the profile contradicts",
            config: ssoBySession.replacing(
                "sso_session = corp\n",
                with: "sso_session = corp\nsso_region = eu-west-3\n"
            ),
            files: ssoFile("corp")
        ),
        EnvironmentRow(
            "a role by SSO",
            ["AWS_PROFILE": "r"],
            config: "[profile r]\nrole_arn = \(role)/a\nsource_profile = default\n\(ssoBySession)",
            files: ssoFile("corp")
        ),
    ]

    private static let ssoLegacy = """
        sso_start_url = https://d.awsapps.com/start
        sso_region = eu-west-1
        sso_account_id = 123456789012
        sso_role_name = Read & Write
        """
    private static let ssoBySession = """
        [default]
        sso_session = corp
        sso_account_id = 123456789012
        sso_role_name = Reader
        [sso-session corp]
        sso_region = eu-west-1
        sso_start_url = https://d.awsapps.com/start
        sso_registration_scopes = sso:account:access
        """

    /// What `aws sso login` leaves.
    private static func ssoFile(
        _ login: String,
        token: String = "bearer",
        end: String = FakeAWS.expiration,
        refresh: String? = nil
    ) -> [String: String] {
        // SHA-1 of the name.
        let names = [
            "https://d.awsapps.com/start": "55ef7a9cf0faa7e6830be02dd04fb62b1c3c5000",
            "corp": "ee0bfd2552fbd840c02cc48b6e823320543c450f", "other": "d0941e68da8f38151ff86a61fc59f7c5cf9fcaa2",
        ]
        let registration =
            refresh.map {
                #", "clientId": "c", "clientSecret": "s", "registrationExpiresAt": "2096-01-01T00:00:00Z", "#
                    + #""refreshToken": "\#($0)""#
            } ?? ""
        let text =
            #"{"startUrl": "https://d.awsapps.com/start", "region": "eu-west-1", "accessToken": "\#(token)", "#
            + #""expiresAt": "\#(end)"\#(registration)}"#
        return [".aws/sso/cache/\(names[login] ?? "").json": text]
    }
}
