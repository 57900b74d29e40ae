internal import LogbeamCore

/// As much of JSON as a report needs.
enum JSON {
    case null
    case bool(Bool)
    case number(Int64)
    /// A number in thousandths.
    case thousandths(Int64)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    static func time(_ time: Int64?) -> JSON {
        time.map { .string(UTCTime(millisecondsSinceEpoch: $0).iso8601) } ?? .null
    }

    /// With three decimals, as a number.
    static func rate(_ rate: Double?) -> JSON {
        rate.flatMap { Int64(exactly: ($0 * 1_000).rounded()) }.map { .thousandths($0) } ?? .null
    }

    var text: String {
        switch self {
        case .null: "null"
        case .bool(let bool): "\(bool)"
        case .number(let number): "\(number)"
        case .thousandths(let number):
            "\(number < 0 ? "-" : "")\(number.magnitude / 1_000).\("\(1_000 + number.magnitude % 1_000)".dropFirst())"
        case .string(let string): string.jsonQuoted
        case .array(let elements): "[\(elements.map(\.text).joined(separator: ","))]"
        case .object(let members):
            "{\(members.map { "\($0.0.jsonQuoted):\($0.1.text)" }.joined(separator: ","))}"
        }
    }
}
