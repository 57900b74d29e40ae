internal import ArgumentParser
internal import Logbeam
internal import LogbeamCloudWatch

/// The options of the subcommands that speak to AWS.
struct AWSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The AWS region. (default: $AWS_REGION, else $AWS_DEFAULT_REGION, the profile's, the instance's)",
            valueName: "region"
        )
    )
    var region: String?

    @Option(
        help: ArgumentHelp(
            """
            Where CloudWatch Logs is. (default: $AWS_ENDPOINT_URL_CLOUDWATCH_LOGS, else $AWS_ENDPOINT_URL, the \
            profile's endpoint_url, the region's endpoint)
            """,
            valueName: "url"
        )
    )
    var endpointURL: String?

    @Option(
        help: ArgumentHelp(
            "The profile of the shared AWS files to use. (default: $AWS_DEFAULT_PROFILE, else $AWS_PROFILE, else 'default')",
            valueName: "profile"
        )
    )
    var profile: String?

    func apply(to configuration: inout LogShipper.Configuration) {
        configuration.region = region
        configuration.endpointURL = endpointURL
        configuration.profile = profile
    }

    /// What they and the environment make of the service.
    var service: CloudWatchLogsService.Configuration {
        var configuration = CloudWatchLogsService.Configuration()
        configuration.region = region
        configuration.endpointURL = endpointURL
        configuration.profile = profile
        return configuration
    }
}
