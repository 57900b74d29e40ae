internal import LogbeamCore
internal import LogbeamSpool

/// How messages name what they speak of.
extension UploadLease.Holder {
    var name: String { "process \(processID) on \(host)" }
}

extension Destination {
    var name: String { "\(logGroup) \(logStream)" }
}
