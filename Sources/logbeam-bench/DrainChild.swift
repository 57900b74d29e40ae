import ArgumentParser
import Foundation
import Logbeam
import LogbeamCloudWatch
import LogbeamCore
import LogbeamSpool

struct DrainChild: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "drain", shouldDisplay: false)
    @Option var spool: String
    @Option var endpointUrl: String
    @Flag var plain = false

    func run() throws {
        var configuration = CloudWatchLogsService.Configuration()
        configuration.endpointURL = endpointUrl
        configuration.compressesRequests = !plain
        let file = try Spool(path: spool, options: .init(create: false))
        let lease = try UploadLease.acquire(spool: spool)
        guard lease != nil else { throw BenchError("no lease") }
        let loop = try UploadLoop(
            spool: file,
            service: CloudWatchLogsService(configuration),
            limits: BatchLimits(count: 10_000, bytes: 1_048_576, messageBytes: 1_048_550, age: 10_000)
        )
        let target = try loop.flush()
        while try loop.hasRecords(through: target) {
            if case .waiting = loop.step() {
                throw BenchError("waits: \(loop.troubles) \(String(describing: loop.spoolError))")
            }
        }
        loop.tidy(whileIdle: { true })
    }
}
