internal import LogbeamCore

/// One value of a row.
enum StoredValue {
    case null
    case integer(Int64)
    case text(ArraySlice<UInt8>)
    /// A number with a fraction, or bytes that are no text: no row of a spool holds one.
    case other

    /// The values of a payload (https://www.sqlite.org/fileformat2.html, "Record Format"); `nil` if it does not add up to
    /// the byte.
    static func row(_ payload: ArraySlice<UInt8>) -> [StoredValue]? {
        var place = 0
        guard let length = payload.varint(at: &place), (1...maximumHeader).contains(length) else { return nil }
        var body = Int(length)
        var values: [StoredValue] = []
        while place < Int(length) {
            guard let type = payload.varint(at: &place), let (value, size) = value(type, in: payload, at: body) else {
                return nil
            }
            values.append(value)
            body += size
        }
        return place == Int(length) && body == payload.count ? values : nil
    }

    /// No table of a spool has more than eight columns, whose types take at most nine bytes each.
    private static let maximumHeader: Int64 = 100

    private static func value(_ type: Int64, in payload: ArraySlice<UInt8>, at place: Int) -> (StoredValue, Int)? {
        let size: Int
        switch type {
        case 0, 8, 9: size = 0
        case 1...4: size = Int(type)
        case 5: size = 6
        case 6, 7: size = 8
        case 12...Int64(2 * Cell.maximumPayload + 13): size = Int(type - 12) / 2
        default: return nil
        }
        guard place + size <= payload.count else { return nil }
        let bytes = payload[(payload.startIndex + place)..<(payload.startIndex + place + size)]
        switch type {
        case 0: return (.null, 0)
        case 8, 9: return (.integer(type - 8), 0)
        case 1...6:
            let isNegative = (bytes.first ?? 0) >= 0x80
            let bits = bytes.reduce(isNegative ? UInt64.max : 0) { $0 << 8 | UInt64($1) }
            return (.integer(Int64(bitPattern: bits)), size)
        case 7: return (.other, size)
        default: return (type.isMultiple(of: 2) ? .other : .text(bytes), size)
        }
    }
}

/// What a row of a spool is, told by its shape alone: no two tables of a spool have rows that look alike.
enum SalvagedRow {
    case record(id: Int64, stream: Int64, timestamp: Int64, message: ArraySlice<UInt8>)
    case rejected(
        id: Int64,
        stream: Int64,
        timestamp: Int64,
        message: ArraySlice<UInt8>,
        reason: ArraySlice<UInt8>,
        rejectedAt: Int64
    )
    /// From the table, or from the index that keeps the names unique: they stand in the file twice.
    case stream(id: Int64, Destination)
    case gap(stream: Int64, reason: ArraySlice<UInt8>, records: Int64, first: Int64, last: Int64)
    case delivery
    case counter(name: ArraySlice<UInt8>, value: Int64?)
    /// What the schema says of a table, an index or a view, and where its tree begins; 0 for a view.
    case schema(root: Int64)

    /// A row of a table. `nil` if no table of a spool has such a row.
    init?(id: Int64, _ values: [StoredValue]) {
        switch (values.count, values.first) {
        case (4, .null):
            guard Self.ids.contains(id), case .integer(let stream) = values[1], case .integer(let time) = values[2],
                case .text(let message) = values[3]
            else { return nil }
            self = .record(id: id, stream: stream, timestamp: time, message: message)
        // A later version of the schema adds a column at the end of `streams`.
        case (6...7, .null):
            if case .text(let group) = values[1], case .text(let stream) = values[2] {
                self.init(stream: id, group, stream)
                return
            }
            guard case .integer(let stream) = values[1], case .integer(let time) = values[2] else { return nil }
            if values.count == 7 {
                self = .delivery
                return
            }
            guard Self.ids.contains(id), case .text(let message) = values[3], case .text(let reason) = values[4],
                case .integer(let rejectedAt) = values[5]
            else { return nil }
            self = .rejected(
                id: id,
                stream: stream,
                timestamp: time,
                message: message,
                reason: reason,
                rejectedAt: rejectedAt
            )
        case (5, .text):
            guard case .integer(let root) = values[3], (0...0xFFFF_FFFF).contains(root) else { return nil }
            self = .schema(root: root)
        default:
            return nil
        }
    }

    /// An entry of an index, or a row of a table that is kept like one. `nil` if a spool has no such entry.
    init?(_ values: [StoredValue]) {
        switch (values.count, values.first) {
        case (2, .text(let name)):
            let value: Int64? = if case .integer(let value) = values[1] { value } else { nil }
            self = .counter(name: name, value: value)
        case (3, .text(let group)):
            guard case .text(let stream) = values[1], case .integer(let id) = values[2] else { return nil }
            self.init(stream: id, group, stream)
        case (5, .integer(let stream)):
            guard case .text(let reason) = values[1], case .integer(let records) = values[2],
                case .integer(let first) = values[3], case .integer(let last) = values[4],
                Self.gapSizes.contains(records)
            else { return nil }
            self = .gap(stream: stream, reason: reason, records: records, first: first, last: last)
        default:
            return nil
        }
    }

    /// `nil` if a name is none that CloudWatch Logs takes: nothing was ever sent to such a stream.
    private init?(stream id: Int64, _ group: ArraySlice<UInt8>, _ stream: ArraySlice<UInt8>) {
        guard let group = String(validating: group, as: UTF8.self), Destination.isValid(logGroup: group),
            let stream = String(validating: stream, as: UTF8.self), Destination.isValid(logStream: stream)
        else { return nil }
        self = .stream(id: id, Destination(logGroup: group, logStream: stream))
    }

    /// Ids are microseconds since 1970, and later ones are made from the highest: an id that is near the end of the
    /// numbers would leave no room for them. 2⁶⁰ microseconds are 36,000 years.
    private static let ids: ClosedRange<Int64> = 1...1 << 60
    /// So that no sum of them overflows: SQLite would make it a number with a fraction.
    private static let gapSizes: ClosedRange<Int64> = 0...1 << 50
}
