internal import LogbeamCore
internal import LogbeamSpool

/// The status of a spool as text, in three forms. Pure. No form holds a control character but tabs and ends of lines.
struct StatusReport {
    var status: SpoolStatus
    /// The time of the report, in milliseconds since 1970-01-01T00:00:00Z.
    var now: Int64

    /// The latest of all streams.
    private var lastDelivery: Int64? { status.streams.compactMap(\.lastDelivery).max() }

    /// The latest of all streams.
    private var lastError: (time: Int64, message: String)? {
        status.streams.compactMap(\.error).max { $0.time < $1.time }
    }

    private var oldestAge: Int64? { status.oldest.map { max(0, now - $0) } }

    // MARK: For other programs

    /// One JSON object on one line.
    var json: String {
        let uploader: JSON =
            status.uploader.map {
                .object([
                    ("process_id", .number(Int64($0.processID))), ("host", .string($0.host)),
                    ("last_beat", .time($0.lastBeat)), ("seems_to_hang", .bool($0.silence(at: now) != nil)),
                ])
            } ?? .null
        let spool: [(String, JSON)] =
            [("spool", .string(status.path)), ("uploader", uploader), ("delivered", .number(Int64(status.delivered)))]
        let totals = Self.numbers(
            pending: status.pending,
            bytes: status.pendingBytes,
            oldest: status.oldest,
            rejected: status.rejected,
            dropped: status.dropped,
            inDoubt: status.inDoubt,
            delivery: lastDelivery,
            error: lastError
        )
        let streams = status.streams.map { stream in
            JSON.object(
                [
                    ("log_group", .string(stream.destination.logGroup)),
                    ("log_stream", .string(stream.destination.logStream)),
                ]
                    + Self.numbers(
                        pending: stream.pending,
                        bytes: stream.pendingBytes,
                        oldest: stream.oldest,
                        rejected: stream.rejected,
                        dropped: stream.dropped,
                        inDoubt: stream.inDoubt,
                        delivery: stream.lastDelivery,
                        error: stream.error
                    )
                    + [
                        ("rejections", .array(stream.rejections.map(\.json))),
                        ("gaps", .array(stream.gaps.map(\.json))),
                    ]
            )
        }
        let age = oldestAge.map { JSON.number($0 / 1_000) } ?? .null
        let setAside = JSON.array(status.setAside.map { .string($0) })
        return JSON.object(
            spool + totals + [("oldest_age_seconds", age), ("set_aside", setAside), ("streams", .array(streams))]
        ).text + "\n"
    }

    private static func numbers(
        pending: Int,
        bytes: Int,
        oldest: Int64?,
        rejected: Int,
        dropped: Int,
        inDoubt: Int,
        delivery: Int64?,
        error: (time: Int64, message: String)?
    ) -> [(String, JSON)] {
        [
            ("pending", .number(Int64(pending))),
            ("pending_bytes", .number(Int64(bytes))),
            ("oldest", .time(oldest)),
            ("rejected", .number(Int64(rejected))),
            ("dropped", .number(Int64(dropped))),
            ("in_doubt", .number(Int64(inDoubt))),
            ("last_delivery", .time(delivery)),
            (
                "last_error",
                error.map { .object([("time", .time($0.time)), ("message", .string($0.message))]) } ?? .null
            ),
        ]
    }

    /// Lines of fields with tabs between them, the first of which says what the line is about.
    var table: String {
        var lines = [
            ["spool", status.path],
            ["uploader"] + (status.uploader.map(fields) ?? ["-"]),
            ["delivered", "\(status.delivered)"],
            ["pending", "\(status.pending)"],
            ["pending_bytes", "\(status.pendingBytes)"],
            ["oldest", Self.time(status.oldest)] + (oldestAge.map { ["\($0 / 1_000)"] } ?? []),
            ["rejected", "\(status.rejected)"],
            ["dropped", "\(status.dropped)"],
            ["in_doubt", "\(status.inDoubt)"],
            ["last_delivery", Self.time(lastDelivery)],
            ["last_error"] + (lastError.map { [Self.time($0.time), $0.message] } ?? ["-"]),
        ]
        lines += status.setAside.map { ["set_aside", $0] }
        for stream in status.streams {
            lines.append([
                "stream", stream.destination.logGroup, stream.destination.logStream, "\(stream.pending)",
                "\(stream.pendingBytes)", Self.time(stream.oldest), "\(stream.rejected)", "\(stream.dropped)",
                "\(stream.inDoubt)", Self.time(stream.lastDelivery), Self.time(stream.error?.time),
                stream.error?.message ?? "-",
            ])
        }
        for stream in status.streams {
            let name = [stream.destination.logGroup, stream.destination.logStream]
            lines += stream.rejections.map { ["rejection"] + name + $0.fields }
            lines += stream.gaps.map { ["gap"] + name + $0.fields }
        }
        return lines.map { $0.map(\.printable).joined(separator: "\t") + "\n" }.joined()
    }

    // MARK: For people

    /// Facts, and below them the streams in columns.
    var page: String {
        let oldest = status.oldest.map { ", the oldest of \(Self.time($0)) (\(age(of: $0)))" } ?? ""
        var text = Self.columns(
            [
                ["spool", status.path],
                ["uploader", status.uploader.map(describe) ?? "none"],
                ["delivered", HumanUnits.count(status.delivered, "record")],
                [
                    "pending",
                    "\(HumanUnits.count(status.pending, "record")) (\(HumanUnits.bytes(status.pendingBytes)))\(oldest)",
                ],
                ["rejected", HumanUnits.count(status.rejected, "record")],
                ["dropped", HumanUnits.count(status.dropped, "record")],
                ["in doubt", HumanUnits.count(status.inDoubt, "batch", plural: "batches")],
                ["last delivery", lastDelivery.map { "\(Self.time($0)) (\(age(of: $0)))" } ?? "-"],
                ["last error", lastError.map { "\(Self.time($0.time)) (\(age(of: $0.time))): \($0.message)" } ?? "-"],
            ] + status.setAside.map { ["set aside", "\($0); see 'logbeam-spool salvage --help'"] },
            rightAligned: []
        )
        guard !status.streams.isEmpty else { return text }
        let header = [
            "LOG GROUP", "LOG STREAM", "PENDING", "BYTES", "OLDEST", "REJECTED", "DROPPED", "IN DOUBT", "LAST DELIVERY",
        ]
        let rows = status.streams.map { stream in
            [
                stream.destination.logGroup, stream.destination.logStream, HumanUnits.count(stream.pending),
                HumanUnits.bytes(stream.pendingBytes), stream.oldest.map { age(of: $0) } ?? "-",
                HumanUnits.count(stream.rejected), HumanUnits.count(stream.dropped), HumanUnits.count(stream.inDoubt),
                stream.lastDelivery.map { age(of: $0) } ?? "-",
            ]
        }
        text += "\n" + Self.columns([header] + rows, rightAligned: [2, 3, 5, 6, 7])
        let remarks = status.streams.flatMap(remarks)
        if !remarks.isEmpty { text += "\n" }
        return text + remarks.map { $0.printable + "\n" }.joined()
    }

    /// What went wrong with a stream, a sentence each.
    private func remarks(_ stream: SpoolStatus.Stream) -> [String] {
        let sentences =
            (stream.error.map { [$0.message] } ?? [])
            + stream.rejections.map { $0.sentence("rejected") } + stream.gaps.map { $0.sentence("dropped") }
        return sentences.map { "\(stream.destination.logGroup) \(stream.destination.logStream): \($0)" }
    }

    private func fields(_ uploader: UploadLease.Holder) -> [String] {
        ["\(uploader.processID)", uploader.host] + (uploader.silence(at: now).map { ["hangs", "\($0 / 1_000)"] } ?? [])
    }

    private func describe(_ uploader: UploadLease.Holder) -> String {
        let silence = uploader.silence(at: now).map {
            ", which seems to hang: no sign of life for \(HumanUnits.duration(milliseconds: $0))"
        }
        return "process \(uploader.processID) on \(uploader.host)\(silence ?? "")"
    }

    private func age(of time: Int64) -> String {
        time > now
            ? "in \(HumanUnits.duration(milliseconds: time - now))"
            : "\(HumanUnits.duration(milliseconds: now - time)) ago"
    }

    fileprivate static func time(_ time: Int64?) -> String {
        time.map { UTCTime(millisecondsSinceEpoch: $0).iso8601 } ?? "-"
    }

    static func columns(_ rows: [[String]], rightAligned: Set<Int>) -> String {
        let rows = rows.map { $0.map(\.printable) }
        let widths = (0..<(rows.first?.count ?? 0)).map { column in
            rows.map { $0[column].count }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                if rightAligned.contains(column) { return padding + cell }
                return column == row.count - 1 ? cell : cell + padding
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }
}

extension SpoolStatus.Stream {
    fileprivate var error: (time: Int64, message: String)? {
        lastError.map { (lastErrorTime ?? 0, $0) }
    }
}

extension SpoolStatus.Tally {
    fileprivate var fields: [String] {
        [reason, "\(records)", StatusReport.time(first), StatusReport.time(last)]
    }

    fileprivate var json: JSON {
        .object([
            ("reason", .string(reason)), ("records", .number(Int64(records))), ("first", .time(first)),
            ("last", .time(last)),
        ])
    }

    /// `1,204 records dropped between … and …: disk full`
    fileprivate func sentence(_ fate: String) -> String {
        let times = "\(StatusReport.time(first)) and \(StatusReport.time(last))"
        return "\(HumanUnits.count(records, "record")) \(fate) between \(times): \(reason)"
    }
}

/// As much of JSON as a report needs.
enum JSON {
    case null
    case bool(Bool)
    case number(Int64)
    case string(String)
    case array([JSON])
    case object([(String, JSON)])

    static func time(_ time: Int64?) -> JSON {
        time.map { .string(UTCTime(millisecondsSinceEpoch: $0).iso8601) } ?? .null
    }

    var text: String {
        switch self {
        case .null: "null"
        case .bool(let bool): "\(bool)"
        case .number(let number): "\(number)"
        case .string(let string): string.jsonQuoted
        case .array(let elements): "[\(elements.map(\.text).joined(separator: ","))]"
        case .object(let members):
            "{\(members.map { "\($0.0.jsonQuoted):\($0.1.text)" }.joined(separator: ","))}"
        }
    }
}
