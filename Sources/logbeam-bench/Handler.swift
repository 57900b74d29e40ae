import ArgumentParser

/// What is compared: the raw value is its name for the process that logs through it.
enum Handler: String, CaseIterable, Codable, ExpressibleByArgument {
    /// The loop that calls it, and nothing else: what pacing takes.
    case nothing
    case write
    case stream
    case logbeam
    case logbeamPlain = "logbeam-plain"
    case logbeamJournal = "logbeam-journal"
    case pythonNothing = "python-nothing"
    case pythonLogbeam = "python-logbeam"
    /// The original's `emit()` with records that were made before, without the logging module around it.
    case pythonEmit = "python-emit"
    case watchtower

    /// For people.
    var name: String {
        switch self {
        case .nothing: "the pacing alone, Swift"
        case .write: "write(2) to a file"
        case .stream: "swift-log's stream handler, to a file"
        case .logbeam: "logbeam"
        case .logbeamPlain: "logbeam, gzip off"
        case .logbeamJournal: "logbeam, journal"
        case .pythonNothing: "the pacing alone, Python"
        case .pythonLogbeam: "Python logbeam 1.0"
        case .pythonEmit: "Python logbeam 1.0, its emit() alone"
        case .watchtower: "watchtower 3.4"
        }
    }

    var isPython: Bool { [.pythonNothing, .pythonLogbeam, .pythonEmit, .watchtower].contains(self) }
    var isLogbeam: Bool { [.logbeam, .logbeamPlain, .logbeamJournal].contains(self) }
}
