import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("XML text, of whatever bytes")
struct XMLFuzzTests {
    @Test("is read or refused, and never longer than the document")
    func mutated() throws {
        let tokens = [
            "<", ">", "</", "/>", "<a>", "</a>", "<!--", "-->", "<!", "<?", "?>", "&", ";", "&amp;", "&#x41;",
            "&#xD800;",
            "&#99999999999;", "<Credentials>", "<AccessKeyId>", " ", "é", "\u{301}",
        ]
        var fuzzer = try Fuzzer(corpus: "xml", tokens: tokens)
        try fuzzer.run(rounds: 4_000) { input, _ in
            guard let document = XMLText(input) else { return ["refused"] }
            let texts = ["Credentials/AccessKeyId", "Error/Code", "Message"].map { document[$0] ?? "" }
            for text in texts { #expect(text.utf8.count <= input.count) }
            return texts
        }
    }
}
