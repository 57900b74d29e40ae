import Foundation

/// How many characters a terminal shows.
package struct WindowSize: Sendable {
    package var columns: Int
    package var rows: Int

    package init(columns: Int = 80, rows: Int = 24) {
        self.columns = columns
        self.rows = rows
    }

    fileprivate var kernel: winsize {
        winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    }

    /// Returns `errno`, or 0.
    func set(on descriptor: Int32) -> Int32 {
        var size = kernel
        return ioctl(descriptor, UInt(TIOCSWINSZ), &size) == 0 ? 0 : errno
    }
}

/// What is typed that is no text.
package enum Key {
    package static let controlC = "\u{3}"
    package static let controlD = "\u{4}"
}

/// The two sides of a pseudo-terminal (pty(7)): what is written on one is typed on the other. Closed with its owner,
/// unless the side of the person was taken.
final class PseudoTerminal {
    /// The side of the person.
    private var controller: Int32 = -1
    /// The side of the program. It stays open until the program has it: before, there would be nothing to read from.
    private var program: Int32 = -1
    /// Where a program opens its side.
    let path: String

    init(_ window: WindowSize) throws {
        var size = window.kernel
        guard openpty(&controller, &program, nil, nil, &size) == 0 else { throw SystemError("openpty") }
        keepFromChildren(controller)
        keepFromChildren(program)
        // Or Ctrl-C would throw away what was printed before it and not yet read here (termios(3)).
        var settings = termios()
        guard tcgetattr(program, &settings) == 0 else { throw SystemError("tcgetattr") }
        settings.c_lflag |= tcflag_t(NOFLSH)
        guard tcsetattr(program, TCSANOW, &settings) == 0 else { throw SystemError("tcsetattr") }
        var name = [CChar](repeating: 0, count: 128)
        let code = ttyname_r(program, &name, name.count)
        guard code == 0 else { throw SystemError("ttyname_r", code: code) }
        path = name.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        if controller >= 0 { close(controller) }
        if program >= 0 { close(program) }
    }

    func duplicateController() throws -> Int32 {
        let copy = fcntl(controller, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw SystemError("fcntl F_DUPFD_CLOEXEC") }
        return copy
    }

    func takeController() -> Int32 {
        defer { controller = -1 }
        return controller
    }
}
