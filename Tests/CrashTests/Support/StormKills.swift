import Foundation

/// How many services a storm kills: `STORM_KILLS` asks for more than the 6 of an ordinary run.
enum StormKills {
    static let count = ProcessInfo.processInfo.environment["STORM_KILLS"].flatMap { Int($0) } ?? 6
}
