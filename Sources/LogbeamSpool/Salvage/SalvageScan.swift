/// Finds every row in a file that may be damaged.
///
/// First the trees are walked, from the schema down, to know which pages are in use; a page that can not be read costs
/// only itself. Then the rows of these pages are taken, and at last those of all other pages that have rows and are not
/// known to be free: their tree is damaged above them. A row in such an orphan may be one that was deleted before, if the
/// page is free and what tells so is damaged; to send a record twice is better than to lose one. For the same reason a page
/// counts as free although a tree leads to it only where both, the pointer map and the freelist, say so.
///
/// Rows in the unused space of a page are never taken: they were deleted.
struct SalvageScan {
    /// Takes a row; false if the same was taken before. It is not certain that a row is one of the file if it comes from a
    /// page that can not be verified.
    typealias Take = (_ row: SalvagedRow, _ isCertain: Bool) throws(SpoolError) -> Bool

    private let database: DatabaseFile
    private(set) var report: SalvageReport
    private var reachable: PageSet
    private var isTaken: PageSet
    private let freelist: PageSet
    private let take: Take
    private let progress: (SalvageReport) -> Void

    init(
        _ database: DatabaseFile,
        progress: @escaping (SalvageReport) -> Void = { _ in },
        take: @escaping Take
    ) {
        self.database = database
        self.take = take
        self.progress = progress
        report = SalvageReport(file: database.file.path, pageSize: database.pageSize, pages: database.pageCount)
        report.damagedWALFrames = database.log?.damagedFrames ?? 0
        report.uncommittedWALFrames = database.log?.uncommittedFrames ?? 0
        reachable = PageSet(database.pageCount)
        isTaken = PageSet(database.pageCount)
        freelist = database.freelist()
    }

    mutating func run() throws(SpoolError) {
        if database.header.isEmpty { note(1, "the header of the file is damaged") }
        for root in walk(1) where root != 0 { _ = walk(root) }
        try takeAll { scan, page in scan.reachable.contains(page) && !scan.isFree(page) }
        try takeAll { scan, page in !scan.isTaken.contains(page) && !scan.isFree(page) }
        for (page, offset) in (database.log?.doubtful ?? [:]).sorted(by: { $0.key < $1.key }) {
            if (1...max(1, database.pageCount)).contains(page), isFree(page) { continue }
            guard let page = database.doubtfulPage(page, at: offset) else { continue }
            _ = try takeRows(of: page, isOrphan: true, isCertain: false)
        }
        for page in stride(from: 1, through: database.pageCount, by: 1) where !isTaken.contains(page) {
            if isFree(page) {
                report.freePages += 1
            } else if !reachable.contains(page), database.use(of: page) != .reserved {
                report.unknownPages += 1
            }
        }
    }

    /// Marks all pages of a tree. Returns the roots that its rows tell, if it is the schema.
    private mutating func walk(_ root: Int) -> [Int] {
        var roots: [Int] = []
        var next = [root]
        while let number = next.popLast() {
            guard (1...max(1, database.pageCount)).contains(number) else {
                note(number, "missing, beyond the end of the file")
                continue
            }
            guard reachable.insert(number) else { continue }
            guard let page = database.page(number) else {
                note(number, database.bytes(of: number) == nil ? "can not be read" : "is overwritten")
                continue
            }
            next += page.children(start: DatabaseFile.start(of: number))
            if root == 1, page.kind == .leafTable {
                roots += page.cells.compactMap {
                    guard case .schema(let root)? = row(page, at: $0)?.row else { return nil }
                    return Int(root)
                }
            }
        }
        return roots
    }

    private mutating func takeAll(where isWanted: (SalvageScan, Int) -> Bool) throws(SpoolError) {
        for number in stride(from: 1, through: database.pageCount, by: 1) {
            if number.isMultiple(of: 64) { progress(report) }
            guard isWanted(self, number), let page = database.page(number) else { continue }
            let isOrphan = !reachable.contains(number)
            let (rows, unreadable) = try takeRows(of: page, isOrphan: isOrphan)
            report.scannedPages += 1
            guard !isOrphan || rows > 0 else { continue }
            isTaken.insert(number)
            if isOrphan { report.orphanPages += 1 }
            if unreadable > 0 {
                report.unreadableRows += unreadable
                note(number, "\(unreadable) of \(rows + unreadable) rows can not be read")
            }
        }
    }

    /// Takes the rows of a page, and tells how many it has and how many of its cells hold none.
    private mutating func takeRows(
        of page: BTreePage,
        isOrphan: Bool,
        isCertain: Bool = true
    ) throws(SpoolError) -> (rows: Int, unreadable: Int) {
        guard page.kind != .interiorTable else { return (page.cells.count, page.misplacedCells) }
        var rows = 0
        for cell in page.cells {
            guard let (row, overflow) = row(page, at: cell) else { continue }
            rows += 1
            for page in overflow { isTaken.insert(page) }
            if try take(row, isCertain) { count(row, isOrphan: isOrphan) }
        }
        return (rows, page.cells.count - rows + page.misplacedCells)
    }

    private mutating func count(_ row: SalvagedRow, isOrphan: Bool) {
        switch row {
        case .record:
            report.records += 1
            if isOrphan { report.orphanRecords += 1 }
        case .rejected: report.rejected += 1
        case .stream: report.streams += 1
        case .gap: report.gaps += 1
        case .delivery: report.deliveries += 1
        case .counter, .schema: break
        }
    }

    private func row(_ page: BTreePage, at place: Int) -> (row: SalvagedRow, overflow: [Int])? {
        guard let cell = page.cell(at: place), let payload = database.payload(of: cell),
            let values = StoredValue.row(payload.bytes)
        else { return nil }
        let row = cell.rowID.map { SalvagedRow(id: $0, values) } ?? SalvagedRow(values)
        return row.map { ($0, payload.overflow) }
    }

    private func isFree(_ page: Int) -> Bool {
        // What the last commit has cut off, if it is known to be the last.
        if let log = database.log, let pages = log.databasePages, log.damagedFrames == 0, page > pages { return true }
        switch database.use(of: page) {
        case .free: return !reachable.contains(page) || freelist.contains(page)
        case .used: return false
        case .reserved: return !reachable.contains(page)
        case .unknown: return !reachable.contains(page) && freelist.contains(page)
        }
    }

    private mutating func note(_ page: Int, _ problem: String) {
        report.damagedPages += 1
        guard report.damage.count < SalvageReport.damageLimit else { return }
        report.damage.append(SalvageReport.Damage(page: page, problem: problem))
    }
}
