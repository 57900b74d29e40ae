extension Generation {
    /// Whether the file, or its log, has no name any more: then nobody else can open it, and what is pending in it ends with
    /// this process.
    var isNameless: Bool { main.isUnlinked || log?.isUnlinked ?? true }
}
