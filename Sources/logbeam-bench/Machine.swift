import CSQLite
import Foundation
import LogbeamTestSupport

/// What the figures were measured on: without it they say nothing.
struct Machine: Codable {
    var processor: String
    var cores: Int
    var kernel: String
    var sqlite: String
    var fileSystem: String
    /// Runnable threads over the last minute when the run began: on an idle machine close to 0.
    var load: Double
    /// What part of the time that processes wanted a core during the run the host of this virtual machine gave to others:
    /// whoever has a lock then keeps it for milliseconds. 0 where there is no host.
    var stolen = 0.0

    init(directory: String) throws {
        processor = Self.processorName()
        cores = ProcessInfo.processInfo.processorCount
        kernel = Self.kernelName()
        sqlite = String(cString: sqlite3_libversion())
        fileSystem = Self.fileSystem(of: directory)
        var loads = [0.0]
        load = getloadavg(&loads, 1) == 1 ? loads[0] : 0
    }

    var description: String {
        "\(processor), \(cores) cores, \(kernel), SQLite \(sqlite), \(fileSystem), load \((load * 10).rounded() / 10), "
            + "\((stolen * 1000).rounded() / 10) % of the processor stolen"
    }

    /// True if what is written there never meets a disk's file system.
    var isInMemory: Bool { ["tmpfs", "ramfs"].contains(fileSystem) }

    /// The time of all processors since the machine was started, by proc_stat(5), in whatever unit.
    struct ProcessorTime {
        private let used: Double
        private let stolen: Double

        /// - Parameter text: what the kernel says now.
        init(_ text: String = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? "") {
            // user, nice, system, idle, iowait, irq, softirq, steal
            let times = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
            stolen = times.count == 8 ? times[7] : 0
            used = times.enumerated().filter { !(3...4).contains($0.offset) }.reduce(0) { $0 + $1.element }
        }

        /// What part of the time that was wanted since then was stolen.
        func stolen(since start: ProcessorTime) -> Double {
            used > start.used ? (stolen - start.stolen) / (used - start.used) : 0
        }
    }

    private static func processorName() -> String {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown processor"
    }

    private static func kernelName() -> String {
        var name = utsname()
        uname(&name)
        return [name.sysname, name.release].map { field in
            withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        }.joined(separator: " ")
    }

    /// The type of the file system that a directory lies on, as the kernel names it.
    private static func fileSystem(of directory: String) -> String {
        let path = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path
        let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8))?.split(separator: "\n") ?? []
        var best = (point: "", type: "unknown file system")
        for fields in mounts.map({ $0.split(separator: " ") }) where fields.count > 2 {
            let point = String(fields[1])
            let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
            // Of mounts on one point the last counts.
            if isAbove, point.utf8.count >= best.point.utf8.count { best = (point, String(fields[2])) }
        }
        return best.type
    }
}
