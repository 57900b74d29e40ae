import LogbeamAWS
import LogbeamCore
import LogbeamTestSupport

@testable import LogbeamCloudWatch

extension CloudWatchLogsService {
    /// A service that sends to a server on loopback, by libcurl.
    convenience init(
        to url: String,
        as key: AccessKey = .any,
        _ change: (inout Configuration) -> Void = { _ in }
    ) {
        var configuration = Configuration(
            environment: ProcessEnvironment([
                "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": url,
                "AWS_ACCESS_KEY_ID": key.identifier, "AWS_SECRET_ACCESS_KEY": key.secret,
            ])
        )
        change(&configuration)
        self.init(configuration)
    }
}
