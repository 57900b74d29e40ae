internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

/// What has changed about the spools since the last look, in lines for people: each trouble is told once, and its end.
struct FleetNews {
    /// What was told of a spool.
    private struct Told: Equatable {
        var isOurs: Bool?
        var troubles = TroubleNews()
    }

    private var told: [String: Told] = [:]

    /// The lines that are due.
    mutating func lines(_ spools: [(path: String, phase: ShippedSpool.Phase)]) -> [String] {
        var lines: [String] = []
        var next: [String: Told] = [:]
        for (path, phase) in spools {
            var known = told[path] ?? Told()
            switch phase {
            case .opening:
                break
            case .unusable(let error):
                known.isOurs = nil
                lines += known.troubles.lines([("\(error.kind)", error.description)], of: path)
            case .open(let report):
                let error = report.spoolError.map { [("\($0.kind)", $0.description)] } ?? []
                lines += known.troubles.lines(error + report.troubles.map { $0.news(of: path) }, of: path)
                if let isOurs = report.holdsLease {
                    if known.isOurs != isOurs { lines.append(Self.turn(path, isOurs: isOurs)) }
                    known.isOurs = isOurs
                }
            }
            next[path] = known
        }
        for path in told.keys.sorted() where next[path] == nil { lines.append("\(path) is gone") }
        told = next
        return lines
    }

    private static func turn(_ path: String, isOurs: Bool) -> String {
        if isOurs { return "\(path): shipping" }
        let holder = UploadLease.holder(spool: path).map { ": \($0.name) ships" }
        return "\(path): standing by\(holder ?? "")"
    }
}

/// The one line that says how all spools stand.
enum FleetSummary {
    static func text(_ phases: [ShippedSpool.Phase]) -> String {
        var shipping = 0
        var standingBy = 0
        var inTrouble = 0
        var delivered = 0
        for phase in phases {
            switch phase {
            case .opening: break
            case .unusable: inTrouble += 1
            case .open(let report):
                if let isOurs = report.holdsLease { if isOurs { shipping += 1 } else { standingBy += 1 } }
                if report.spoolError != nil || !report.troubles.isEmpty { inTrouble += 1 }
                delivered += report.totals.records
            }
        }
        return "\(HumanUnits.count(phases.count, "spool")): shipping \(shipping), standing by \(standingBy), "
            + "in trouble \(inTrouble); delivered \(HumanUnits.count(delivered, "record"))"
    }
}
