import Foundation
import FoundationXML
import Testing

@testable import logbeam_bench

@Suite("A drawing of the benchmark")
struct DrawingTests {
    @Test("goes from zero to a round number that no value exceeds")
    func linear() {
        let axis = Axis(linear: [12, 870_000], from: 100, to: 500)
        #expect(axis.ticks == [0, 200_000, 400_000, 600_000, 800_000, 1_000_000])
        #expect(axis.place(0) == 100)
        #expect(axis.place(500_000) == 300)
        #expect(Axis(linear: [], from: 0, to: 1).ticks.count > 1)
        #expect(Axis(linear: [.infinity, 3], from: 0, to: 1).values.high == 3)
    }

    @Test("goes from one power of ten to another")
    func logarithmic() {
        let axis = Axis(logarithmic: [0, 0.9, 25_000], from: 0, to: 600)
        #expect(axis.ticks == [0.1, 1, 10, 100, 1_000, 10_000, 100_000])
        #expect(abs(axis.place(10) - 200) < 0.001)
        #expect(axis.place(0) == 0)
        #expect(Axis(logarithmic: [], from: 0, to: 1).ticks == [1, 10])
    }

    @Test("is valid XML, whatever its text")
    func escaped() throws {
        var drawing = Drawing(width: 10, height: 10)
        drawing.text("<a> & \"b\"", 1, 1)
        #expect(try texts(drawing.svg(title: "1 < 2")).map(\.text) == ["<a> & \"b\""])
    }

    @Test("is made of what was measured, each of it in its frame and no text over another")
    func readable() throws {
        let drawings = try Report.sample().drawings
        #expect(drawings.map(\.name) == ["benchmark-latency", "benchmark-rate", "benchmark-file-size"])
        for drawing in drawings {
            let texts = try texts(drawing.svg)
            #expect(texts.count > 8)
            for (index, text) in texts.enumerated() {
                #expect(CGRect(x: 0, y: 0, width: 860, height: 1_000).contains(text.box), "\(text)")
                for other in texts[..<index] { #expect(!text.box.intersects(other.box), "\(text), \(other)") }
            }
        }
    }

    @Test("is none where nothing was measured")
    func empty() throws {
        var report = try Report.sample()
        report.handlers = []
        report.bursts = []
        #expect(report.drawings.isEmpty)
    }

    /// The texts of a drawing and about where they are.
    private func texts(_ svg: String) throws -> [Label] {
        let labels = Labels()
        let parser = XMLParser(data: Data(svg.utf8))
        parser.delegate = labels
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        return labels.found
    }

    struct Label {
        var text: String
        var box: CGRect
    }

    private final class Labels: NSObject, XMLParserDelegate {
        var found: [Label] = []
        private var attributes: [String: String] = [:]
        private var text = ""

        func parser(
            _ parser: XMLParser,
            didStartElement name: String,
            namespaceURI: String?,
            qualifiedName: String?,
            attributes: [String: String] = [:]
        ) {
            (self.attributes, text) = (attributes, "")
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            func number(_ name: String) -> Double { Double(attributes[name] ?? "") ?? .nan }
            guard name == "text" else { return }
            // A letter of Helvetica is about half as wide as high.
            let (size, width) = (number("font-size"), 0.5 * number("font-size") * Double(text.count))
            let shifts: [String: Double] = ["start": 0, "middle": 0.5, "end": 1]
            let left = number("x") - width * (shifts[attributes["text-anchor"] ?? ""] ?? .nan)
            let box = CGRect(x: left, y: number("y") - 0.75 * size, width: width, height: 0.9 * size)
            found.append(Label(text: text, box: box))
        }
    }
}
