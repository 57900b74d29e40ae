import Foundation

/// A drawing in SVG 1.1, complete in itself: its background is drawn, so that it is readable on a dark page too.
struct Drawing {
    let width: Double
    let height: Double
    private var elements: [String] = []

    enum Anchor: String { case start, middle, end }

    static let ink = "#24292f"
    static let faint = "#6e7781"
    static let grid = "#d8dee4"
    private static let background = "#ffffff"

    init(width: Double, height: Double) {
        self.width = width
        self.height = height
        add(
            "rect",
            [
                "x": "0.5", "y": "0.5", "width": (width - 1).short, "height": (height - 1).short, "rx": "8",
                "fill": Self.background, "stroke": Self.grid,
            ]
        )
    }

    mutating func text(
        _ text: String,
        _ x: Double,
        _ y: Double,
        size: Double = 13,
        colour: String = ink,
        anchor: Anchor = .start,
        isBold: Bool = false
    ) {
        add(
            "text",
            [
                "x": x.short, "y": y.short, "font-size": size.short, "font-weight": isBold ? "600" : "400",
                "text-anchor": anchor.rawValue, "fill": colour,
            ],
            text
        )
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, colour: String = grid, width: Double = 1)
    {
        add(
            "line",
            [
                "x1": x1.short, "y1": y1.short, "x2": x2.short, "y2": y2.short, "stroke": colour,
                "stroke-width": width.short,
            ]
        )
    }

    mutating func rectangle(_ x: Double, _ y: Double, width: Double, height: Double, colour: String) {
        add("rect", ["x": x.short, "y": y.short, "width": width.short, "height": height.short, "fill": colour])
    }

    /// - Parameter isFilled: otherwise a ring.
    mutating func dot(_ x: Double, _ y: Double, radius: Double, colour: String, isFilled: Bool = true) {
        add(
            "circle",
            [
                "cx": x.short, "cy": y.short, "r": radius.short, "fill": isFilled ? colour : Self.background,
                "stroke": colour, "stroke-width": "1.5",
            ]
        )
    }

    mutating func path(_ points: [(x: Double, y: Double)], colour: String, isDashed: Bool = false) {
        add(
            "polyline",
            [
                "points": points.map { "\($0.x.short),\($0.y.short)" }.joined(separator: " "), "fill": "none",
                "stroke": colour, "stroke-width": isDashed ? "1.2" : "2", "stroke-dasharray": isDashed ? "4 3" : "none",
            ]
        )
    }

    private mutating func add(_ name: String, _ attributes: KeyValuePairs<String, String>, _ text: String = "") {
        let attributes = attributes.map { " \($0)=\"\($1.escapedForXML)\"" }.joined()
        elements.append("<\(name)\(attributes)>\(text.escapedForXML)</\(name)>")
    }

    /// - Parameter title: read aloud in place of the picture.
    func svg(title: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width.short)" height="\(height.short)" \
        viewBox="0 0 \(width.short) \(height.short)" font-family="Helvetica, Arial, sans-serif" role="img">
        <title>\(title.escapedForXML)</title>
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }
}

extension String {
    fileprivate var escapedForXML: String {
        replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}

extension Double {
    /// With one decimal at the most: a tenth of a pixel.
    fileprivate var short: String {
        let text = with(decimals: 1)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
