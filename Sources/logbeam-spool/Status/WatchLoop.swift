internal import Logbeam
internal import LogbeamCore
internal import LogbeamSpool

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Looks at a spool again and again, and shows it, until a signal comes or nobody reads any more.
struct WatchLoop {
    let path: String
    let isJSON: Bool
    /// The time between two looks, in milliseconds.
    let interval: Int64

    /// Counting a large spool takes time: between two looks there is at least so many times as much of it.
    private static let restFactor: Int64 = 4

    /// - Throws: what is wrong at the first look; later trouble is shown, for it may pass.
    func run() throws {
        // A second one ends it where nobody takes the output.
        let signals = try TerminationSignals.watch(secondExitsWith: .done)
        let changes = try WindowChanges.watch()
        var watch = StatusWatch(path: path)
        var redraw = Redraw()
        var start = MonotonicClock.milliseconds()
        var result = Result<SpoolStatus, SpoolError>.success(try SpoolStatus.read(path: path))
        while true {
            let end = MonotonicClock.milliseconds()
            watch.add(result, now: WallClock.milliseconds(), time: start)
            guard try show(watch, &redraw, isAnew: changes.take()) else { return }
            let next = max(start + interval, end + (end - start) * Self.restFactor)
            var event = Self.wait(signals, changes, until: next)
            while event == .changed {
                _ = changes.take()
                // Only what can be drawn again is shown again without a new look.
                if terminal?.canMove == true, try !show(watch, &redraw, isAnew: true) { return }
                event = Self.wait(signals, changes, until: next)
            }
            if event == .signal { break }
            start = MonotonicClock.milliseconds()
            result = Result { () throws(SpoolError) in try SpoolStatus.read(path: path) }
        }
        if terminal?.canMove == true { try StandardStreams.print(redraw.end) }
    }

    /// Where people read; `nil` for programs.
    private var terminal: Terminal? { isJSON ? nil : .output }

    /// Returns false if nobody reads any more.
    private func show(_ watch: StatusWatch, _ redraw: inout Redraw, isAnew: Bool) throws(Failure) -> Bool {
        let text =
            if isJSON {
                watch.json
            } else if let terminal {
                terminal.canMove
                    ? redraw.draw(watch.lines(on: terminal), on: terminal, isAnew: isAnew)
                    : watch.lines(on: terminal).map { $0 + "\n" }.joined() + "\n"
            } else {
                watch.line
            }
        return try StandardStreams.print(text)
    }

    private enum Event { case signal, changed, time }

    /// Waits for what comes first, at most until a time in milliseconds of the monotonic clock.
    private static func wait(_ signals: TerminationSignals, _ changes: WindowChanges, until time: Int64) -> Event {
        while true {
            var sources = [signals.descriptor, changes.descriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            let left = time - MonotonicClock.milliseconds()
            poll(&sources, 2, Int32(clamping: max(0, left)))
            if sources[0].revents != 0 { return .signal }
            if sources[1].revents != 0 { return .changed }
            if left <= 0 { return .time }
        }
    }
}
