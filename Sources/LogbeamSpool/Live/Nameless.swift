extension Generation {
    /// Whether the file, or its log, has no name any more: then nobody else can open it, and what is pending in it ends with
    /// this process.
    var isNameless: Bool { main.isUnlinked || log?.isUnlinked ?? true }
}

extension LiveSpool {
    /// Goes through the messages that are pending in files without a name, oldest first within each: nobody will ever find
    /// them when this process ends. To be called when nothing is logged any more, and
    /// ``moveRetired(holdsLease:waitsForUploader:while:)`` has done what it could. Throws at the end what keeps any of them from
    /// being read, once all others are through.
    ///
    /// A program that has such a file open as well may yet send or move some of them.
    package func forEachNameless(_ body: (UnsafeRawBufferPointer) -> Void) throws(SpoolError) {
        // What holds no records that could be moved lies somewhere else, or is another look at the file in use.
        let retired = withRepairs { $0.retired.filter(\.leavesRecords).map(\.generation) }
        var failure = retired == nil ? SpoolError(.busy, path: path, message: "it is being mended") : nil
        for generation in (retired ?? []) + [current] where generation.isNameless {
            do throws(SpoolError) { try generation.spool.forEachPending(body) } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
    }
}

extension Spool {
    fileprivate func forEachPending(_ body: (UnsafeRawBufferPointer) -> Void) throws(SpoolError) {
        try write { writer throws(SpoolError) in
            let rows = try writer.connection.prepare("SELECT message FROM pending ORDER BY id")
            defer { rows.reset() }
            while try rows.step() { body(rows.bytes(0)) }
        }
    }
}
