internal import LogbeamCore
internal import LogbeamSpool

/// What a salvage did, as text. Pure.
struct SalvageText {
    var report: SalvageReport

    /// For the time while it runs.
    static func progress(_ report: SalvageReport) -> String {
        let pages = "\(report.scannedPages.grouped) of \(HumanUnits.count(report.pages, "page"))"
        return "\(pages), \(HumanUnits.count(report.records, "record"))"
    }

    private func offset(_ page: Int) -> Int { (page - 1) * report.pageSize }

    /// One JSON object on one line.
    var json: String {
        let numbers = [
            ("records", report.records), ("rejected", report.rejected), ("streams", report.streams),
            ("lost_names", report.namelessStreams), ("gaps", report.gaps), ("deliveries", report.deliveries),
            ("altered", report.altered), ("orphan_records", report.orphanRecords), ("pages", report.pages),
            ("free_pages", report.freePages), ("orphan_pages", report.orphanPages),
            ("unknown_pages", report.unknownPages), ("damaged_pages", report.damagedPages),
            ("unreadable_rows", report.unreadableRows), ("damaged_log_frames", report.damagedWALFrames),
            ("uncommitted_log_frames", report.uncommittedWALFrames), ("journals", report.journals),
            ("journal_records", report.journalRecords), ("journals_in_use", report.journalsInUse),
        ]
        let damage = report.damage.map { damage in
            JSON.object([
                ("page", .number(Int64(damage.page))), ("offset", .number(Int64(offset(damage.page)))),
                ("problem", .string(damage.problem)),
            ])
        }
        let journals = report.damagedJournals.map { journal in
            JSON.object([("path", .string(journal.path)), ("problem", .string(journal.problem))])
        }
        return JSON.object(
            [
                ("file", .string(report.file)), ("into", .string(report.into)), ("complete", .bool(report.isComplete)),
            ] + numbers.map { ($0, .number(Int64($1))) } + [
                ("damage", .array(damage)), ("damaged_journals", .array(journals)),
            ]
        ).text + "\n"
    }

    /// A fact a line; what is not the case is left out.
    func page(on terminal: Terminal?) -> String {
        func fact(_ name: String, _ count: Int, _ noun: String, _ text: String) -> [[String]] {
            count == 0 ? [] : [[name, HumanUnits.count(count, noun, plural: noun == "batch" ? "batches" : nil) + text]]
        }
        var rows = [
            ["file", report.file],
            ["into", report.into],
            ["records", report.records.grouped],
            ["rejected", report.rejected.grouped],
            ["streams", report.streams.grouped],
            [
                "pages",
                "\(report.pages.grouped) of \(report.pageSize.grouped) bytes, "
                    + "\(report.freePages.grouped) of them free",
            ],
        ]
        rows += fact("gaps", report.gaps, "gap", "")
        rows += fact(
            "journals",
            report.journals,
            "journal",
            ", with \(HumanUnits.count(report.journalRecords, "record")) that the file does not have"
        )
        rows += fact("in use", report.journalsInUse, "journal", " of programs that run, left out")
        rows += fact("lost names", report.namelessStreams, "stream", "; see log group logbeam-salvaged")
        rows += fact("in doubt", report.deliveries, "batch", " (records pending again)")
        rows += fact("orphans", report.orphanRecords, "record", " among them, perhaps acknowledged before")
        rows += fact(
            "altered",
            report.altered,
            "row",
            " with text that was not UTF-8, an impossible time or a wrong id"
        )
        rows += fact("lost", report.unreadableRows, "row", " at least, on pages that are readable otherwise")
        rows += fact("unknown", report.unknownPages, "page", " that held nobody knows what")
        rows += fact("log", report.damagedWALFrames, "damaged page", " in the write-ahead log")
        rows += fact("log", report.uncommittedWALFrames, "page", " of an unfinished commit, left out")
        rows += report.damage.map { ["damage", "page \($0.page), at byte \(offset($0.page)): \($0.problem)"] }
        rows += fact("damage", report.damagedPages - report.damage.count, "more damaged page", "")
        rows += report.damagedJournals.map { ["damage", "\($0.path): \($0.problem)"] }
        return Table(facts: rows.map { ($0[0], .text($0[1])) }).text(on: terminal)
    }
}
