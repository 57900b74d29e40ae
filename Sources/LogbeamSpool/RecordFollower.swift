/// Reads records as they are committed, by looking again and again, through whatever becomes of the file. Memory is bounded
/// by a page. Each look is a few short reads, and one where nothing was committed takes some microseconds.
///
/// Not Sendable.
package final class RecordFollower {
    /// What a look found.
    package struct Look: Sendable {
        package var records: [StoredRecord] = []
        /// Records of all streams that left the spool before they could be read. Known by what was counted when they left;
        /// where records are dropped at the same time, it may be more.
        package var missed: Int64 = 0
        /// Another file is in the place of the one that was read: what is in it follows. Records that were moved there from
        /// the old one are read again.
        package var isReplaced = false
        /// There is more to be read at once.
        package var isMore = false

        package init(records: [StoredRecord] = [], isReplaced: Bool = false, isMore: Bool = false) {
            self.records = records
            self.isReplaced = isReplaced
            self.isMore = isMore
        }
    }

    /// What was counted at one moment: records that left, and that are pending up to where we have read.
    struct Balance: Equatable {
        var gone: Int64
        var pending: Int64

        /// How many records left since without being read.
        ///
        /// - Parameter read: how many were read since.
        func missed(at now: Balance, read: Int64) -> Int64 {
            // A damaged spool may count anything; the difference is right even so.
            max(0, now.gone &- gone &- (pending + read - now.pending))
        }
    }

    private let path: String
    private let filter: RecordFilter
    private var records: StoredRecords?
    private var file: FileIdentity?
    private var cursor: Int64 = 0
    private var dataVersion: Int64?
    private var balance: Balance?
    private var read: Int64 = 0
    private var isToBeBalanced = false
    /// In milliseconds of the monotonic clock.
    private var nextFileLook: Int64 = 0

    private static let fileInterval: Int64 = 500

    /// - Parameter newest: how many records are read that are there already, at most.
    package init(path: String, filter: RecordFilter, newest: Int) throws(SpoolError) {
        self.path = path
        self.filter = filter
        try open()
        cursor = try records?.start(ofNewest: newest) ?? 0
        balance = try takeBalance()
    }

    private func open() throws(SpoolError) {
        file = FileIdentity(path)
        records = try StoredRecords(path: path, filter: filter)
        (cursor, read, dataVersion, balance) = (0, 0, nil, nil)
    }

    /// - Parameter now: in milliseconds of the monotonic clock.
    package func look(at now: Int64) throws(SpoolError) -> Look {
        if now >= nextFileLook, let present = FileIdentity(path), present != file || records == nil {
            // First what was committed to the old file, to the last.
            if let rest = try? records?.page(after: cursor), rest.looked > 0 {
                cursor = rest.last
                return Look(records: rest.records, isMore: true)
            }
            records = nil
            try open()
            return Look(isReplaced: true, isMore: true)
        }
        if now >= nextFileLook { nextFileLook = now + Self.fileInterval }
        guard let records else { return Look() }
        let version = try records.dataVersion()
        guard version != dataVersion || isToBeBalanced else { return Look() }
        let facts = try records.facts()
        if facts.lastGoneID > cursor { isToBeBalanced = true }
        let page = try records.page(after: cursor)
        var look = Look(records: page.records, isMore: !page.isLast)
        cursor = page.last
        read += Int64(page.looked)
        // Whatever is committed from here on makes another version, of this look or of the next.
        if page.isLast { dataVersion = version }
        if page.isLast, isToBeBalanced { look.missed = try missed() }
        return look
    }

    private func missed() throws(SpoolError) -> Int64 {
        guard let now = try takeBalance() else { return 0 }
        let missed = balance?.missed(at: now, read: read) ?? 0
        (balance, read, isToBeBalanced) = (now, 0, false)
        return missed
    }

    /// `nil` while records are being deleted that are counted as delivered.
    private func takeBalance() throws(SpoolError) -> Balance? {
        guard let facts = try records?.facts(pendingThrough: cursor), !facts.isDeleting else { return nil }
        return Balance(gone: facts.delivered &+ facts.rejected, pending: facts.pending)
    }
}
