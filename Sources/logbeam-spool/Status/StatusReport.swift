internal import LogbeamCore
internal import LogbeamSpool

/// The status of a spool for other programs, in two forms. Pure. Neither holds a control character but tabs and ends of
/// lines.
struct StatusReport {
    var status: SpoolStatus
    /// The time of the report, in milliseconds since 1970-01-01T00:00:00Z.
    var now: Int64

    private var oldestAge: Int64? { status.oldest.map { max(0, now.subtractingSaturated($0)) } }
    private var timeLeft: Int64? { status.oldest.map { max(0, BatchLimits.expiry(of: $0).subtractingSaturated(now)) } }

    /// One JSON object on one line.
    ///
    /// - Parameters:
    ///   - facts: what is to stand there besides.
    ///   - streamFacts: what is to stand in the object of each stream besides.
    func json(
        adding facts: [(String, JSON)] = [],
        toStream streamFacts: (Destination) -> [(String, JSON)] = { _ in [] }
    ) -> String {
        let uploader: JSON =
            status.uploader.map {
                .object([
                    ("process_id", .number(Int64($0.processID))), ("host", .string($0.host)),
                    ("last_beat", .time($0.lastBeat)), ("seems_to_hang", .bool($0.silence(at: now) != nil)),
                ])
            } ?? .null
        let spool: [(String, JSON)] =
            [
                ("time", .time(now)), ("spool", .string(status.path)), ("uploader", uploader),
                ("delivered", .number(Int64(status.delivered))),
            ]
        let streams = status.streams.map { stream in
            JSON.object(
                [
                    ("log_group", .string(stream.destination.logGroup)),
                    ("log_stream", .string(stream.destination.logStream)),
                ]
                    + stream.figures
                    + [
                        ("rejections", .array(stream.rejections.map(\.json))),
                        ("gaps", .array(stream.gaps.map(\.json))),
                    ] + streamFacts(stream.destination)
            )
        }
        let age = oldestAge.map { JSON.number($0 / 1_000) } ?? .null
        let left = timeLeft.map { JSON.number($0 / 1_000) } ?? .null
        let setAside = JSON.array(status.setAside.map { .string($0) })
        let journals = JSON.array(status.journals.map { .string($0.path) })
        return JSON.object(
            spool + status.figures
                + [
                    ("oldest_age_seconds", age), ("expires_in_seconds", left), ("set_aside", setAside),
                    ("journals", journals),
                    ("streams", .array(streams)),
                ] + facts
        ).text + "\n"
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
            ["expires", Self.time(status.oldest.map(BatchLimits.expiry))] + (timeLeft.map { ["\($0 / 1_000)"] } ?? []),
            ["rejected", "\(status.rejected)"],
            ["dropped", "\(status.dropped)"],
            ["in_doubt", "\(status.inDoubt)"],
            ["last_delivery", Self.time(status.lastDelivery)],
            ["last_error"] + (status.error.map { [Self.time($0.time), $0.message] } ?? ["-"]),
        ]
        lines += status.setAside.map { ["set_aside", $0] }
        lines += status.journals.map { ["journal", $0.path] }
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

    private func fields(_ uploader: UploadLease.Holder) -> [String] {
        ["\(uploader.processID)", uploader.host] + (uploader.silence(at: now).map { ["hangs", "\($0 / 1_000)"] } ?? [])
    }

    fileprivate static func time(_ time: Int64?) -> String {
        time.map { UTCTime(millisecondsSinceEpoch: $0).iso8601 } ?? "-"
    }
}

/// What is told of a spool and of each of its streams.
private protocol Figures {
    var pending: Int { get }
    var pendingBytes: Int { get }
    var oldest: Int64? { get }
    var rejected: Int { get }
    var dropped: Int { get }
    var inDoubt: Int { get }
    var lastDelivery: Int64? { get }
    var error: (time: Int64, message: String)? { get }
}

extension Figures {
    fileprivate var figures: [(String, JSON)] {
        [
            ("pending", .number(Int64(pending))),
            ("pending_bytes", .number(Int64(pendingBytes))),
            ("oldest", .time(oldest)),
            ("expires", .time(oldest.map(BatchLimits.expiry))),
            ("rejected", .number(Int64(rejected))),
            ("dropped", .number(Int64(dropped))),
            ("in_doubt", .number(Int64(inDoubt))),
            ("last_delivery", .time(lastDelivery)),
            (
                "last_error",
                error.map { .object([("time", .time($0.time)), ("message", .string($0.message))]) } ?? .null
            ),
        ]
    }
}

extension SpoolStatus: Figures {
    /// The latest of all streams.
    var error: (time: Int64, message: String)? {
        streams.compactMap(\.error).max { $0.time < $1.time }
    }
}

extension SpoolStatus.Stream: Figures {
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
}
