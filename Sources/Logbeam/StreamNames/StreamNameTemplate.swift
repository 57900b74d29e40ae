internal import LogbeamCore

/// A name of a log stream with placeholders, as ``LogShipper/Configuration/logStreamName`` describes it. Pure.
package struct StreamNameTemplate: Sendable, Equatable {
    package enum Piece: Sendable, Equatable {
        case literal(String)
        case hostname
        case instanceID
        case ipAddress
        case processID
        case program
        case date([DatePiece])
    }

    package enum DatePiece: Sendable, Equatable {
        case literal(String)
        case year, month, day, hour, minute, second, dayOfYear
    }

    /// What one can write, for people.
    private static let known =
        "text with {hostname}, {instance_id}, {ip_address}, {pid}, {program} and {date:FORMAT}, where FORMAT has "
        + "%Y %m %d %H %M %S %j %%, and {{ and }} stand for braces"

    /// No two literals stand next to each other.
    package let pieces: [Piece]
    private let text: String

    /// Throws for a placeholder that is not known, a brace without its other, and text that no stream name can have.
    package init(_ text: String) throws(ConfigurationError) {
        var pieces: [Piece] = []
        var literal = ""
        // By scalars: to Swift, a brace and an accent are one character.
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            if scalar == "{" || scalar == "}", rest.first == scalar {
                rest.removeFirst()
                literal.unicodeScalars.append(scalar)
            } else if scalar == "{", let end = rest.firstIndex(of: "}"),
                let piece = Piece(placeholder: rest[..<end])
            {
                if !literal.isEmpty { pieces.append(.literal(literal)) }
                literal = ""
                pieces.append(piece)
                rest = rest[rest.index(after: end)...]
            } else if scalar == "{" || scalar == "}" {
                throw ConfigurationError(setting: "logStreamName", value: text, bound: Self.known)
            } else {
                literal.unicodeScalars.append(scalar)
            }
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
        self.pieces = pieces
        self.text = text

        // What a placeholder stands for has one character at least.
        let shortest = pieces.map { if case .literal(let text) = $0 { text } else { "-" } }.joined()
        guard Destination.isValid(logStream: shortest) else {
            throw ConfigurationError(setting: "logStreamName", value: text, bound: Destination.logStreamBound)
        }
    }

    /// The name that a machine and a process make of it. What it can not have, `:` and `*`, becomes `-`.
    ///
    /// - Parameter facts: asked once, and only if there are placeholders.
    package func resolve(_ facts: () -> MachineFacts) throws(ConfigurationError) -> String {
        if pieces.count == 1, case .literal(let name) = pieces[0] { return name }
        let facts = facts()
        var name = ""
        for piece in pieces { name += try resolve(piece, facts) }
        guard Destination.isValid(logStream: name) else {
            throw invalid("\(Destination.logStreamBound), but becomes \(name.unicodeScalars.count) characters long")
        }
        return name
    }

    private func resolve(_ piece: Piece, _ facts: MachineFacts) throws(ConfigurationError) -> String {
        switch piece {
        case .literal(let text): return text
        case .processID: return "\(facts.processID)"
        case .date(let pieces): return Self.allowed(pieces.map { $0.text(at: facts.secondsSinceEpoch) }.joined())
        case .hostname:
            return try known(facts.hostname, else: "without {hostname}: this machine has no name")
        case .ipAddress:
            return try known(
                facts.ipAddress,
                else: "without {ip_address}: no interface is up that has an address but loopback's"
            )
        case .program:
            return try known(facts.program, else: "without {program}: this process has no name")
        case .instanceID:
            do {
                return try known(facts.instanceID(), else: "without {instance_id}")
            } catch let error as ConfigurationError {
                throw error
            } catch {
                throw invalid("without {instance_id} here: \(error)")
            }
        }
    }

    private func known(_ value: String?, else bound: String) throws(ConfigurationError) -> String {
        guard let value, !value.isEmpty else { throw invalid(bound) }
        return Self.allowed(value)
    }

    private func invalid(_ bound: String) -> ConfigurationError {
        ConfigurationError(setting: "logStreamName", value: text, bound: bound)
    }

    private static func allowed(_ value: String) -> String {
        var name = ""
        for scalar in value.unicodeScalars {
            name.unicodeScalars.append(scalar == ":" || scalar == "*" ? "-" : scalar)
        }
        return name
    }
}

extension StreamNameTemplate.Piece {
    /// - Parameter scalars: what stands between the braces.
    fileprivate init?(placeholder scalars: Substring.UnicodeScalarView) {
        switch String(scalars) {
        case "hostname": self = .hostname
        case "instance_id": self = .instanceID
        case "ip_address": self = .ipAddress
        case "pid": self = .processID
        case "program": self = .program
        default:
            let prefix = "date:".unicodeScalars
            guard scalars.starts(with: prefix), let pieces = Self.datePieces(scalars.dropFirst(prefix.count)) else {
                return nil
            }
            self = .date(pieces)
        }
    }

    /// `nil` for a format that is empty or holds what is not known.
    private static func datePieces(_ format: Substring.UnicodeScalarView) -> [StreamNameTemplate.DatePiece]? {
        var pieces: [StreamNameTemplate.DatePiece] = []
        var rest = format
        while let scalar = rest.popFirst() {
            guard scalar == "%" else {
                pieces.append(.literal(String(scalar)))
                continue
            }
            switch rest.popFirst() {
            case "Y": pieces.append(.year)
            case "m": pieces.append(.month)
            case "d": pieces.append(.day)
            case "H": pieces.append(.hour)
            case "M": pieces.append(.minute)
            case "S": pieces.append(.second)
            case "j": pieces.append(.dayOfYear)
            case "%": pieces.append(.literal("%"))
            default: return nil
            }
        }
        return pieces.isEmpty ? nil : pieces
    }
}

extension StreamNameTemplate.DatePiece {
    fileprivate func text(at secondsSinceEpoch: Int64) -> String {
        let time = CivilTime(secondsSinceEpoch: secondsSinceEpoch)
        return switch self {
        case .literal(let text): text
        case .year: Self.digits(time.year, 4)
        case .month: Self.digits(time.month, 2)
        case .day: Self.digits(time.day, 2)
        case .hour: Self.digits(time.hour, 2)
        case .minute: Self.digits(time.minute, 2)
        case .second: Self.digits(time.second, 2)
        case .dayOfYear: Self.digits(Self.dayOfYear(time), 3)
        }
    }

    /// From 1, as `strftime` counts.
    private static func dayOfYear(_ time: CivilTime) -> Int64 {
        var newYear = time
        (newYear.month, newYear.day) = (1, 1)
        return (time.secondsSinceEpoch - newYear.secondsSinceEpoch) / 86_400 + 1
    }

    private static func digits(_ number: Int64, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
}
