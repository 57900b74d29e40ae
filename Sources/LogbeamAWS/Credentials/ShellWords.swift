/// Takes a line apart as a shell would, without doing anything else that a shell does: what Python's `shlex.split` gives,
/// and so what botocore makes of a command and of `[profile "a name"]`.
enum ShellWords {
    /// `nil` if a quotation is not closed, or the line ends with a backslash.
    static func split(_ line: String) -> [String]? {
        var words: [String] = []
        // Two quotes with nothing in between are a word.
        var word: String?
        var quote: Character?
        var rest = line[...]
        while let character = rest.popFirst() {
            switch (quote, character) {
            case ("'", "'"), ("\"", "\""): quote = nil
            case ("\"", "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                if escaped != "\"" && escaped != "\\" { word?.append("\\") }
                word?.append(escaped)
            case (nil, "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                word = (word ?? "") + String(escaped)
            case (nil, "'"), (nil, "\""):
                quote = character
                word = word ?? ""
            case (nil, " "), (nil, "\t"), (nil, "\r"), (nil, "\n"), (nil, "\r\n"):
                if let word { words.append(word) }
                word = nil
            default: word = (word ?? "") + String(character)
            }
        }
        if quote != nil { return nil }
        return words + (word.map { [$0] } ?? [])
    }
}
