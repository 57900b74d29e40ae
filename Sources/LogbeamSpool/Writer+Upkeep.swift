/// What keeps the files small. Each call is a transaction of its own, or none.
extension Writer {
    /// Gives free pages at the end of the file back to the file system, a bounded number of them.
    func vacuum(pages: Int) throws(SpoolError) {
        try connection.execute("PRAGMA incremental_vacuum(\(pages))")
    }

    /// Writes what there is anew, and so gives all free pages back at once, if no more than so many pages are in use:
    /// it takes time and room for these, and not for the free ones (https://www.sqlite.org/lang_vacuum.html). False if
    /// more are.
    func rewrite(upTo pages: Int64) throws(SpoolError) -> Bool {
        let count = try connection.integer("PRAGMA page_count")
        // The second page, and each 820th after it, says of those behind it what they are for
        // (https://www.sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages): with them these go too.
        let maps = (count - 2) / 820 + 1
        guard try count - connection.integer("PRAGMA freelist_count") - maps <= pages else { return false }
        try connection.execute("VACUUM")
        return true
    }
}

extension Connection {
    /// Gives the log's file this length at most from when it begins anew. It keeps some where nothing is to be had.
    func limitWAL(bytes: Int64) throws(SpoolError) {
        try execute("PRAGMA journal_size_limit = \(bytes)")
    }

    /// A transaction that says what the file says already: the first commit after the log was reset syncs the log's new
    /// header (https://www.sqlite.org/wal.html), and that should not be a commit of `log()`.
    ///
    /// An update to the value that a row has would commit no page. This writes the first page, whatever it holds.
    func touch() throws(SpoolError) {
        try execute("PRAGMA application_id = \(Schema.applicationID)")
    }
}
