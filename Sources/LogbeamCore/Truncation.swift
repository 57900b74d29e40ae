extension String {
    /// The text, cut to at most `limit` bytes of UTF-8 if it is longer: on the boundary of a Unicode scalar, and ending
    /// in a note of how many bytes were cut.
    ///
    /// - Parameter limit: at least the length of the note, about 40 bytes.
    package func truncated(toUTF8Count limit: Int) -> String {
        guard utf8.count > limit else { return self }
        // The note for the longest possible cut is as long as any.
        let reserve = Self.note(cut: utf8.count).utf8.count
        var end = utf8.index(startIndex, offsetBy: max(0, limit - reserve))
        while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        let kept = self[..<end]
        return kept + Self.note(cut: utf8.count - kept.utf8.count)
    }

    private static func note(cut: Int) -> String { " [truncated: \(cut) bytes cut]" }
}
