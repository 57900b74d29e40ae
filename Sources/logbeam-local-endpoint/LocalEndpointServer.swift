import Foundation
import LogbeamCore
import LogbeamTestSupport

/// CloudWatch Logs on loopback for `Scripts/demo`, where there is no Python for moto.
///
/// Prints its port when it listens, and ends with its standard input: whoever holds that open is not outlived. Then it
/// writes the events that it has accepted to the file that is its only argument, as a JSON array, those of a stream in the
/// order of their acceptance. Takes the key pair ``AccessKey/any`` and the region us-east-1.
@main
struct LocalEndpointServer {
    private struct Event: Encodable {
        var logGroup: String
        var logStream: String
        /// Milliseconds since 1970-01-01T00:00:00Z.
        var timestamp: Int64
        var message: String
    }

    static func main() throws {
        guard CommandLine.arguments.count == 2 else {
            print("usage: logbeam-local-endpoint EVENTS-FILE")
            exit(64)
        }
        let endpoint = try LocalEndpoint()
        try FileHandle.standardOutput.write(contentsOf: Data("\(endpoint.port)\n".utf8))
        while try FileHandle.standardInput.read(upToCount: 4096)?.isEmpty == false {}

        let records = endpoint.records
        let events = records.destinations.flatMap { destination in
            records.events(in: destination).map { event in
                Event(
                    logGroup: destination.logGroup,
                    logStream: destination.logStream,
                    timestamp: event.timestamp,
                    message: event.message
                )
            }
        }
        try JSONEncoder().encode(events).write(to: URL(fileURLWithPath: CommandLine.arguments[1]))
    }
}
