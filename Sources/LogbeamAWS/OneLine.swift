extension String {
    /// Without control characters, which could forge lines of a log or a terminal, and cut to a length.
    package func onOneLine(limit: Int) -> String {
        var text = ""
        for scalar in unicodeScalars.prefix(limit) {
            let isControl = scalar.properties.generalCategory == .control
            text.unicodeScalars.append(isControl ? " " : scalar)
        }
        return unicodeScalars.count > limit ? text + "…" : text
    }
}
