import Foundation
import LogbeamCore

@testable import LogbeamSpool

extension Command {
    /// Leaves a journal beside the spool, as a program does that is killed, with records of its stream.
    ///
    /// - Parameter moved: how many of them were moved into the spool, by what the journal says.
    @discardableResult
    func leaveJournal(
        _ messages: [String],
        moved: UInt64 = 0,
        timestamp: Int64 = WallClock.milliseconds(),
        name: String = "00000000000000aa"
    ) throws -> String {
        let salt: UInt64 = 0x0102_0304_0506_0708
        var bytes = JournalFormat.header(salt: salt)
        bytes.replaceSubrange(
            JournalFormat.movedOffset..<(JournalFormat.movedOffset + 8),
            with: withUnsafeBytes(of: moved.littleEndian) { Array($0) }
        )
        bytes += [UInt8](repeating: 0, count: JournalFormat.headerSize - bytes.count)
        let names = Array((Self.destination.logGroup + Self.destination.logStream).utf8)
        for (index, message) in messages.enumerated() {
            let text = Array(message.utf8)
            var frame = [UInt8](
                repeating: 0,
                count: JournalFormat.frameSize(names: names.count, message: text.count)
            )
            frame.withUnsafeMutableBytes { frame in
                names.withUnsafeBytes { names in
                    text.withUnsafeBufferPointer { text in
                        JournalFormat.write(
                            UInt64(index + 1),
                            timestamp: timestamp,
                            names: names,
                            groupLength: Self.destination.logGroup.utf8.count,
                            message: text,
                            salt: salt,
                            into: frame
                        )
                    }
                }
            }
            bytes += frame
        }
        let path = spoolPath + JournalFile.infix + name
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        return path
    }
}
