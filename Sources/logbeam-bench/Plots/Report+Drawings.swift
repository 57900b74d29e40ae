import Foundation
import LogbeamCore

extension Report {
    /// A drawing as the text of an SVG file.
    struct Illustration {
        /// Of the file, without its extension.
        var name: String
        var title: String
        var svg: String
    }

    /// Of what was measured.
    var drawings: [Illustration] {
        var drawings: [Illustration] = []
        func add(_ name: String, _ title: String, if isMeasured: Bool, _ draw: (String) -> Drawing) {
            guard isMeasured else { return }
            drawings.append(Illustration(name: name, title: title, svg: draw(title).svg(title: title)))
        }
        add("benchmark-latency", "How long a call takes that logs one record", if: !handlers.isEmpty, latencyDrawing)
        add("benchmark-rate", "Records logged in a second", if: !handlers.isEmpty, rateDrawing)
        let burst = bursts.first?.figures.records ?? 0
        let title = "What the spool takes on the disk: a burst of \(burst.grouped) records"
        add("benchmark-file-size", title, if: bursts.contains { !$0.sizes.isEmpty }, sizeDrawing)
        return drawings
    }

    private static let width = 860.0
    private static let margin = 24.0
    /// To the left of the bars and dots: for the longest name.
    private static let names = 262.0
    private static let rowHeight = 25.0

    private func colour(_ handler: Handler) -> String {
        // Told apart by everybody: Okabe and Ito, "Color Universal Design".
        switch handler {
        case .logbeam: "#0072b2"
        case .logbeamPlain: "#56b4e9"
        case .logbeamJournal: "#009e73"
        case .pythonLogbeam: "#d55e00"
        case .pythonEmit: "#e69f00"
        case .watchtower: "#cc79a7"
        case .nothing, .write, .stream, .pythonNothing: "#8c959f"
        }
    }

    private var threadCounts: [Int] { Set(handlers.map(\.threads)).sorted() }

    /// A drawing of rows for each number of threads, with an axis below.
    private func rows(
        _ title: String,
        _ subtitle: String,
        _ axis: Axis,
        tick: (Double) -> String,
        row draw: (inout Drawing, HandlerRow, _ y: Double) -> Void
    ) -> Drawing {
        let heading = 34.0
        let counts = threadCounts
        let height = 122 + heading * Double(counts.count) + Self.rowHeight * Double(handlers.count)
        var drawing = Drawing(width: Self.width, height: height)
        drawing.text(title, Self.margin, 34, size: 17, isBold: true)
        drawing.text(subtitle, Self.margin, 56, colour: Drawing.faint)
        let bottom = height - 46
        for value in axis.ticks {
            drawing.line(axis.place(value), 74, axis.place(value), bottom)
            drawing.text(tick(value), axis.place(value), bottom + 18, size: 12, colour: Drawing.faint, anchor: .middle)
        }
        var y = 74.0
        for threads in counts {
            drawing.text(threads.asThreads, Self.margin, y + 22, isBold: true)
            y += heading
            for row in handlers where row.threads == threads {
                drawing.text(row.handler.name, Self.names, y + 17, anchor: .end)
                draw(&drawing, row, y + Self.rowHeight / 2)
                y += Self.rowHeight
            }
        }
        return drawing
    }

    private func latencyDrawing(_ title: String) -> Drawing {
        let values = handlers.flatMap { $0.figures.latencies }
        let axis = Axis(logarithmic: values, from: Self.names + 18, to: Self.width - 40)
        let subtitle =
            "From left to right: the median, p99, p99.9, and the worst of \(handlers[0].figures.records.grouped)"
        var drawing = rows(title, subtitle, axis, tick: Self.time) { drawing, row, y in
            let places = row.figures.latencies.map(axis.place)
            let colour = colour(row.handler)
            drawing.line(places[0], y, places[3], y, colour: colour, width: 2)
            drawing.line(places[3], y - 6, places[3], y + 6, colour: colour, width: 2)
            drawing.dot(places[2], y, radius: 3.5, colour: colour, isFilled: false)
            drawing.dot(places[1], y, radius: 3.5, colour: colour, isFilled: false)
            drawing.dot(places[0], y, radius: 5.5, colour: colour)
        }
        source(&drawing)
        return drawing
    }

    private func rateDrawing(_ title: String) -> Drawing {
        // To the right is room for the longest number.
        let axis = Axis(
            linear: handlers.map(\.figures.recordsPerSecond),
            from: Self.names + 18,
            to: Self.width - 90
        )
        var drawing = rows(
            title,
            "Until the last call has returned: Python's handlers have the records in memory then, logbeam on the disk",
            axis,
            tick: \.grouped
        ) { drawing, row, y in
            let rate = row.figures.recordsPerSecond
            let length = axis.place(rate) - axis.places.low
            drawing.rectangle(axis.places.low, y - 8, width: length, height: 16, colour: colour(row.handler))
            drawing.text(rate.grouped, axis.place(rate) + 6, y + 4.5, size: 12)
        }
        source(&drawing)
        return drawing
    }

    /// A panel for each burst, with the same axes.
    private func sizeDrawing(_ title: String) -> Drawing {
        let bursts = bursts.filter { !$0.sizes.isEmpty }
        let (top, heading, panel, gap) = (72.0, 28.0, 90.0, 14.0)
        let height = top + (heading + panel + gap) * Double(bursts.count) + 40
        var drawing = Drawing(width: Self.width, height: height)
        drawing.text(title, Self.margin, 34, size: 17, isBold: true)
        let subtitle =
            "The database and its log together; dashed: the log alone. A dot: all is logged. A ring: all is shipped"
        drawing.text(subtitle, Self.margin, 56, colour: Drawing.faint)
        let sizes = bursts.flatMap(\.sizes)
        let across = Axis(linear: sizes.map(\.seconds), from: 96, to: Self.width - 40, ticks: 8)
        var y = top
        for burst in bursts {
            let up = Axis(linear: sizes.map(\.mebibytes), from: y + heading + panel, to: y + heading, ticks: 4)
            drawing.text("\(burst.handler.name), \(burst.threads.asThreads)", across.places.low, y + 18, isBold: true)
            for value in up.ticks {
                drawing.line(across.places.low, up.place(value), across.places.high, up.place(value))
                let (x, label) = (across.places.low - 8, "\(value.trimmed) MiB")
                drawing.text(label, x, up.place(value) + 4, size: 11, colour: Drawing.faint, anchor: .end)
            }
            for value in across.ticks {
                drawing.line(across.place(value), up.places.high, across.place(value), up.places.low)
            }
            draw(burst, across, up, in: &drawing)
            y += heading + panel + gap
        }
        for value in across.ticks {
            let label = "\(value.trimmed) s"
            drawing.text(label, across.place(value), y + 4, size: 12, colour: Drawing.faint, anchor: .middle)
        }
        source(&drawing)
        return drawing
    }

    private func draw(_ burst: BurstFigures, _ across: Axis, _ up: Axis, in drawing: inout Drawing) {
        let colour = colour(burst.handler)
        func points(_ value: (SpoolSize) -> Double) -> [(x: Double, y: Double)] {
            burst.sizes.map { (across.place($0.seconds), up.place(value($0))) }
        }
        drawing.path(points { Double($0.walBytes) / 1_048_576 }, colour: colour, isDashed: true)
        drawing.path(points(\.mebibytes), colour: colour)
        for (moment, isFilled) in [(burst.figures.shippedSeconds, false), (burst.figures.loggedSeconds, true)] {
            guard let size = burst.sizes.first(where: { $0.seconds >= moment }) else { continue }
            let radius = isFilled ? 3.5 : 5.5
            drawing.dot(
                across.place(moment),
                up.place(size.mebibytes),
                radius: radius,
                colour: colour,
                isFilled: isFilled
            )
        }
    }

    /// What the figures were measured on, in the lowest line.
    private func source(_ drawing: inout Drawing) {
        drawing.text(
            "\(machine.processor), \(machine.cores) cores, \(machine.kernel), \(date.formatted(.iso8601.year().month().day()))",
            drawing.width - Self.margin,
            drawing.height - 10,
            size: 10,
            colour: Drawing.faint,
            anchor: .end
        )
    }

    /// - Parameter microseconds: a power of ten.
    private static func time(_ microseconds: Double) -> String {
        switch microseconds {
        case ..<1: "\((microseconds * 1_000).with(decimals: 0)) ns"
        case ..<1_000: "\(microseconds.with(decimals: 0)) µs"
        case ..<1_000_000: "\((microseconds / 1_000).with(decimals: 0)) ms"
        default: "\((microseconds / 1_000_000).with(decimals: 0)) s"
        }
    }
}

extension HandlerFigures {
    /// p50, p99, p99.9 and the worst, in microseconds.
    fileprivate var latencies: [Double] {
        [p50Microseconds, p99Microseconds, p999Microseconds, worstMicroseconds]
    }
}

extension SpoolSize {
    fileprivate var mebibytes: Double { Double(bytes) / 1_048_576 }
}
