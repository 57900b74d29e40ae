import ArgumentParser
import Foundation
import Logbeam
import LogbeamCore
import LogbeamTestSupport

/// Ships what a spool holds, as a service would.
struct Ship: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ships what a spool holds.", shouldDisplay: false)

    @Argument
    var spool: String
    @Argument
    var inFlight: Int
    /// Without one, what is read is taken for sent.
    @Option
    var endpointURL: String?
    @Flag
    var gzip = false

    func run() async throws {
        let configuration = LogShipper.Configuration(
            logGroupName: DrainBench.destination.logGroup,
            logStreamName: DrainBench.destination.logStream,
            spool: spool,
            maximumInFlight: inFlight,
            endpointURL: endpointURL,
            gzip: gzip
        )
        let shipper =
            if endpointURL == nil {
                try LogShipper(configuration, service: Taker())
            } else {
                try LogShipper(configuration)
            }
        guard await shipper.flush(timeout: .seconds(1800)) else { throw BenchError("not all was sent") }
        await shipper.shutdown()
    }
}

/// A process that does that, and is measured.
struct ShipProcess {
    /// Without one, what is read is taken for sent.
    var endpointURL: String?
    /// What the process has to trust.
    var authorityFile: String?
    var inFlight = 2
    var gzip = false

    func run(_ path: String, records: Int) throws -> Cost {
        var command = [try BuiltProducts.executable("logbeam-bench"), "ship", path, "\(inFlight)"]
        if let endpointURL { command += ["--endpoint-url", endpointURL] }
        if gzip { command.append("--gzip") }
        return try Cost.ofShipping(path, records: records, command, authorityFile: authorityFile)
    }
}
