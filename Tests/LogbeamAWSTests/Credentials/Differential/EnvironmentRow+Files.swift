extension EnvironmentRow {
    private static let keys = "aws_access_key_id = AKID\naws_secret_access_key = hidden\n"

    /// Variables and the two files.
    static let files: [EnvironmentRow] = [
        EnvironmentRow("nothing at all"),
        EnvironmentRow("keys in variables", ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"]),
        EnvironmentRow(
            "keys in variables go before a profile that a variable names",
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_PROFILE": "default"],
            credentials: "[default]\n\(keys)"
        ),
        EnvironmentRow(
            "a profile that was chosen by name goes before keys in variables",
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"],
            credentials: "[p]\n\(keys)",
            chosen: "p"
        ),
        EnvironmentRow(
            "a session token",
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"]
        ),
        EnvironmentRow(
            "a session token by its old name too",
            [
                "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T",
                "AWS_SECURITY_TOKEN": "O",
            ]
        ),
        EnvironmentRow(
            "keys in variables that end in the future",
            [
                "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T",
                "AWS_CREDENTIAL_EXPIRATION": FakeAWS.expiration,
            ]
        ),
        EnvironmentRow(
            "keys in variables that have ended",
            [
                "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T",
                "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
            ]
        ),
        EnvironmentRow("a key without a secret", ["AWS_ACCESS_KEY_ID": "A"], credentials: "[default]\n\(keys)"),
        EnvironmentRow("a secret without a key", ["AWS_SECRET_ACCESS_KEY": "S"], credentials: "[default]\n\(keys)"),
        EnvironmentRow("the default profile of the credentials file", credentials: "[default]\n\(keys)"),
        EnvironmentRow(
            "a profile with a token by both names",
            credentials: "[default]\n\(keys)aws_session_token = T\naws_security_token = O\n"
        ),
        EnvironmentRow("AWS_PROFILE", ["AWS_PROFILE": "p"], credentials: "[default]\n[p]\n\(keys)"),
        EnvironmentRow(
            "AWS_DEFAULT_PROFILE goes before AWS_PROFILE",
            ["AWS_PROFILE": "p", "AWS_DEFAULT_PROFILE": "d"],
            credentials: "[p]\naws_access_key_id = P\naws_secret_access_key = S\n[d]\n\(keys)"
        ),
        EnvironmentRow(
            "a profile that is nowhere",
            ["AWS_PROFILE": "nobody"],
            credentials: "[default]\n\(keys)",
            differs: Difference.endpoint(because: "a variable names the region; what is missing are credentials")
        ),
        EnvironmentRow(
            "a profile that is nowhere, and keys in variables",
            ["AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"],
            differs: [
                Difference(
                    aspect: .credentials,
                    ours: "env A",
                    because: "keys in variables need no file: a leftover AWS_PROFILE should not stop the logs"
                )
            ] + Difference.endpoint(because: "and neither does the region in a variable")
        ),
        EnvironmentRow("a profile with half a key pair", credentials: "[default]\naws_access_key_id = A\n"),
        EnvironmentRow(
            "a profile with half a key pair, and one in the config file",
            config: "[default]\n\(keys)",
            credentials: "[default]\naws_access_key_id = A\n"
        ),
        EnvironmentRow("the default profile of the config file", config: "[default]\n\(keys)region = eu-west-1\n"),
        EnvironmentRow("[profile default] of the config file", config: "[profile default]\n\(keys)"),
        EnvironmentRow("a profile of the config file", ["AWS_PROFILE": "p"], config: "[profile p]\n\(keys)"),
        EnvironmentRow(
            "a section of the config file that is no profile",
            ["AWS_PROFILE": "p"],
            config: "[p]\n\(keys)",
            differs: Difference.endpoint(because: "a variable names the region; what is missing are credentials")
        ),
        EnvironmentRow(
            "a profile with a space in its name",
            ["AWS_PROFILE": "a name"],
            config: "[profile 'a name']\n\(keys)"
        ),
        EnvironmentRow(
            "both files have the profile",
            config: "[default]\naws_access_key_id = C\naws_secret_access_key = S\nregion = eu-north-1\n",
            credentials: "[default]\n\(keys)region = eu-south-1\n"
        ),
        EnvironmentRow(
            "files elsewhere, by paths with ~ and variables",
            [
                "AWS_SHARED_CREDENTIALS_FILE": "~/there/$NAME", "NAME": "keys",
                "AWS_CONFIG_FILE": "${HOME}/there/config",
            ],
            files: ["there/keys": "[default]\n\(keys)", "there/config": "[default]\nregion = eu-west-3\n"]
        ),
        EnvironmentRow(
            "spaces, comments, colons, capitals and continued lines",
            config: """
                # the work account
                ; and more
                [default]
                  AWS_ACCESS_KEY_ID : AKID # no comment
                  aws_secret_access_key=a=b:c
                  s3 =
                      addressing_style = path
                  # in between

                  region =eu-central-2
                """
        ),
        EnvironmentRow(
            "what [DEFAULT] has counts in every section",
            config: "[DEFAULT]\n\(keys)[default]\nregion = r-1\n"
        ),
        EnvironmentRow("a file with Windows's line ends", credentials: "[default]\r\n\(keys)\r\n"),
        EnvironmentRow("a line that is no setting", credentials: "[default]\nnonsense\n\(keys)"),
        EnvironmentRow("a setting before the first section", credentials: "\(keys)[default]\n"),
        EnvironmentRow("a nested line that is no setting", config: "[default]\ns3 =\n  nonsense\n\(keys)"),
        EnvironmentRow(
            "a section that stands twice",
            credentials: "[default]\naws_access_key_id = A\n[default]\n\(keys)",
            differs: [
                Difference(
                    aspect: .credentials,
                    ours: "shared-credentials-file AKID",
                    because: "AWS's other tools let the last setting count; so did we before"
                )
            ] + Difference.endpoint(because: "the file can be read")
        ),
        EnvironmentRow(
            "a broken file, and keys in variables",
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"],
            credentials: "nonsense\n",
            differs: [
                Difference(
                    aspect: .credentials,
                    ours: "env A",
                    because: "a file that is not needed is not read"
                )
            ]
        ),
        EnvironmentRow(
            "a folder in the place of a file",
            ["AWS_SHARED_CREDENTIALS_FILE": "{home}"],
            config: "[default]\n\(keys)"
        ),
        EnvironmentRow(
            "empty settings",
            credentials: "[default]\n\(keys)aws_session_token =\n"
        ),
        EnvironmentRow(
            "credential_process",
            config: "[default]\ncredential_process = /bin/sh {home}/give.sh 'a b' \"c\"\n",
            files: [
                "give.sh": """
                printf '{"Version": 1, "AccessKeyId": "PROCESS|%s|%s|%s", "SecretAccessKey": "S"}' "$1" "$2" "$MARK"
                """
            ]
        ),
        EnvironmentRow(
            "credential_process with a token and an end",
            config: "[default]\ncredential_process = cat {home}/give.json\n",
            files: [
                "give.json": """
                {"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "S", "SessionToken": "T",
                "Expiration": "2096-02-29T12:00:00+00:00"}
                """
            ]
        ),
        EnvironmentRow(
            "credential_process with a token of nothing",
            config: "[default]\ncredential_process = cat {home}/give.json\n",
            files: ["give.json": #"{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "S", "SessionToken": ""}"#]
        ),
        EnvironmentRow(
            "credential_process goes before the config file's keys, and after the credentials file's",
            config: "[default]\n\(keys)credential_process = cat {home}/give.json\n",
            credentials: "[other]\n\(keys)",
            files: ["give.json": #"{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "S"}"#]
        ),
        EnvironmentRow(
            "credential_process in the credentials file",
            credentials: "[default]\ncredential_process = cat {home}/give.json\n",
            files: ["give.json": #"{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "S"}"#]
        ),
        EnvironmentRow(
            "credential_process that fails, and keys in the config file",
            config: "[default]\n\(keys)credential_process = false\n"
        ),
        EnvironmentRow(
            "credential_process of another version",
            config: "[default]\ncredential_process = echo '{\"Version\": 2}'\n"
        ),
        EnvironmentRow("credential_process that does not exist", config: "[default]\ncredential_process = {home}/no\n"),
        EnvironmentRow(
            "credential_process is no shell",
            config: "[default]\ncredential_process = echo '{}' ; cat {home}/give.json\n",
            files: ["give.json": #"{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "S"}"#]
        ),
    ]
}
