extension EnvironmentRow {
    private static let container = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    private static let metadata = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    private static let keys = ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"]

    /// Containers, instances, regions and endpoints.
    static let services: [EnvironmentRow] = [
        EnvironmentRow("the agent of a container", [container: "{server}/container/ok?x=1"]),
        EnvironmentRow(
            "the agent of ECS, by a path",
            ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container/ok", container: "{server}/container/denied"]
        ),
        EnvironmentRow(
            "an authorization token",
            [container: "{server}/container/ok", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc"]
        ),
        EnvironmentRow(
            "an authorization token in a file, which goes before",
            [
                container: "{server}/container/ok", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token",
            ],
            files: ["token": "Bearer xyz"]
        ),
        EnvironmentRow(
            "an authorization token with a line break",
            [container: "{server}/container/ok", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"],
            files: ["token": "Bearer xyz\nX-Evil: 1"]
        ),
        EnvironmentRow(
            "an authorization token in a file that is missing",
            [container: "{server}/container/ok", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{home}/token"]
        ),
        EnvironmentRow("an agent that refuses", [container: "{server}/container/denied"]),
        EnvironmentRow("an agent that stops in the middle", [container: "{server}/container/broken"]),
        EnvironmentRow("an agent that gives half", [container: "{server}/container/partial"]),
        EnvironmentRow("an agent that gives an empty token", [container: "{server}/container/bare"]),
        EnvironmentRow("an agent that gives something else", [container: "{server}/container/wrong"]),
        EnvironmentRow("an agent elsewhere without TLS", [container: "http://192.0.2.1/container/ok"]),
        EnvironmentRow("an agent behind a host that begins like one", [container: "http://127.0.0.1.example/ok"]),
        EnvironmentRow(
            "an agent does not fall through to the instance",
            [container: "{server}/container/denied", metadata: "{server}/imds-ok"]
        ),
        EnvironmentRow(
            "the agent goes before the instance",
            [container: "{server}/container/ok", metadata: "{server}/imds-ok"]
        ),
        EnvironmentRow("the metadata of an instance", [metadata: "{server}/imds-ok"]),
        EnvironmentRow("the metadata of an instance, with a slash", [metadata: "{server}/imds-ok/"]),
        EnvironmentRow(
            "the metadata of an instance, by the profile",
            [metadata: ""],
            config: "[default]\nec2_metadata_service_endpoint = {server}/imds-ok\nmetadata_service_num_attempts = 2\n"
        ),
        EnvironmentRow("metadata of version 1", [metadata: "{server}/imds-v1"]),
        EnvironmentRow(
            "metadata of version 1, which is switched off",
            [metadata: "{server}/imds-v1", "AWS_EC2_METADATA_V1_DISABLED": "true"]
        ),
        EnvironmentRow(
            "metadata that is switched off",
            [metadata: "{server}/imds-ok", "AWS_EC2_METADATA_DISABLED": "TRUE"]
        ),
        EnvironmentRow(
            "metadata that is not quite switched off",
            [metadata: "{server}/imds-ok", "AWS_EC2_METADATA_DISABLED": "1"]
        ),
        EnvironmentRow("metadata that refuses the token's request", [metadata: "{server}/imds-bad"]),
        EnvironmentRow("an instance without a role", [metadata: "{server}/imds-empty"]),
        EnvironmentRow("metadata that fails", [metadata: "{server}/imds-failing"]),
        EnvironmentRow("a role that the instance cannot assume", [metadata: "{server}/imds-partial"]),
        EnvironmentRow("metadata that is no JSON", [metadata: "{server}/imds-broken"]),
        EnvironmentRow("metadata whose time is over, which AWS takes for a while", [metadata: "{server}/imds-old"]),
        EnvironmentRow("metadata with an empty token", [metadata: "{server}/imds-bare"]),
        EnvironmentRow(
            "an unknown mode",
            [metadata: "{server}/imds-ok", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv5"]
        ),
        EnvironmentRow(
            "the credentials file goes before the agent and the instance",
            [container: "{server}/container/ok", metadata: "{server}/imds-ok"],
            credentials: "[default]\naws_access_key_id = F\naws_secret_access_key = S\n"
        ),
        EnvironmentRow(
            "AWS_REGION",
            keys.merging(["AWS_REGION": "eu-west-1"]) { $1 },
            differs: [
                Difference(
                    aspect: .region,
                    ours: "eu-west-1",
                    because: "Lambda, ECS and EKS set AWS_REGION, and AWS's other tools read it"
                ),
                Difference(
                    aspect: .url,
                    ours: "https://logs.eu-west-1.amazonaws.com/",
                    because: "so the host is that region's"
                ),
            ]
        ),
        EnvironmentRow("AWS_DEFAULT_REGION", keys.merging(["AWS_DEFAULT_REGION": "cn-north-1"]) { $1 }),
        EnvironmentRow(
            "GovCloud",
            keys.merging(["AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT": "true"]) { $1 }
        ),
        EnvironmentRow(
            "a region of FIPS by its old name",
            keys.merging(["AWS_DEFAULT_REGION": "fips-us-east-1"]) { $1 }
        ),
        EnvironmentRow(
            "a region of FIPS by its old name, and a variable against it",
            keys.merging(["AWS_DEFAULT_REGION": "us-gov-west-1-fips", "AWS_USE_FIPS_ENDPOINT": "false"]) { $1 }
        ),
        EnvironmentRow(
            "STS of a region of FIPS by its old name",
            config:
                "[default]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = b\nregion = us-west-2-fips\n",
            credentials: "[b]\naws_access_key_id = BASE\naws_secret_access_key = S\n"
        ),
        EnvironmentRow(
            "an endpoint for all services",
            keys.merging(["AWS_ENDPOINT_URL": "http://127.0.0.1:9/x"]) { $1 }
        ),
    ]
}
