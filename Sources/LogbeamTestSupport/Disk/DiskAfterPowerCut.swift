/// What may lie on the disk when the power is cut at some point of a history.
///
/// What was written before the last sync of a file is there. Of what was done to it since, any part may be there, whatever
/// the order it was done in: a write may be torn where sectors end, a file may have grown and hold zeros. So it is with
/// the names in the directory. What a write does not touch it leaves alone, as SQLite expects of disks
/// (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`, https://www.sqlite.org/psow.html).
package struct DiskAfterPowerCut {
    /// What has come of the changes that were not synced.
    package enum Fate: Sendable, CaseIterable {
        case allLost
        case allKept
        /// All but one, which is any of them.
        case oneLost
        /// The first of them, up to any of them, of which a part may be there.
        case laterLost
        /// Each by chance.
        case someLost
        /// Each sector of 512 bytes of each by chance.
        case someSectorsLost
        /// Each page of 4,096 bytes of each by chance.
        case somePagesLost
        /// All but some sectors of the last.
        case lastTorn
    }

    private enum Change {
        case write(offset: Int, bytes: ArraySlice<UInt8>)
        case truncate(Int)
    }

    private struct File {
        var bytes: [UInt8] = []
        var changes: [Change] = []
    }

    private enum NameChange {
        case create(String, Int)
        case delete(String)
    }

    private var files: [Int: File] = [:]
    private var names: [String: Int] = [:]
    private var nameChanges: [NameChange] = []

    package init() {}

    /// Goes on by one event.
    package mutating func apply(_ event: TestDisk.Event) {
        switch event {
        case .adopt(let name, let file, let bytes):
            names[name] = file
            if files[file] == nil { files[file] = File(bytes: bytes) }
        case .create(let name, let file):
            files[file] = File()
            nameChanges.append(.create(name, file))
        case .delete(let name):
            nameChanges.append(.delete(name))
        case .write(let file, let offset, let bytes):
            files[file]?.changes.append(.write(offset: offset, bytes: bytes[...]))
        case .truncate(let file, let size):
            files[file]?.changes.append(.truncate(size))
        case .sync(let file):
            if let changes = files[file]?.changes {
                files[file]?.changes = []
                for change in changes { Self.apply(change, to: &files[file, default: File()].bytes) }
            }
        case .failedSync(let file):
            files[file]?.changes = []
        case .syncDirectory:
            for change in nameChanges { Self.apply(change, to: &names) }
            nameChanges = []
        case .note:
            break
        }
    }

    /// The files that may be there if the power is cut now.
    package func files(_ fate: Fate, using random: inout SeededGenerator) -> [String: [UInt8]] {
        var names = names
        for change in nameChanges
        where fate == .allKept || fate != .allLost && Bool.random(using: &random) {
            Self.apply(change, to: &names)
        }
        return names.mapValues { number in
            guard let file = files[number] else { return [] }
            return content(of: file, fate, &random)
        }
    }

    private func content(of file: File, _ fate: Fate, _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = file.bytes
        let chosen = file.changes.isEmpty ? 0 : Int.random(in: 0..<file.changes.count, using: &random)
        for (index, change) in file.changes.enumerated() {
            let sectors: Int? =
                switch fate {
                case .allLost: nil
                case .allKept: 0
                case .oneLost: index == chosen ? nil : 0
                case .laterLost: index < chosen ? 0 : index == chosen ? 512 : nil
                case .someLost: Bool.random(using: &random) ? 0 : nil
                case .someSectorsLost: 512
                case .somePagesLost: 4_096
                case .lastTorn: index == file.changes.count - 1 ? 512 : 0
                }
            guard let sectors else { continue }
            for part in Self.parts(of: change, between: sectors) where sectors == 0 || Bool.random(using: &random) {
                Self.apply(part, to: &bytes)
            }
        }
        // The new size may be there though what was written is not.
        if fate != .allKept, Bool.random(using: &random) {
            var whole = file.bytes.count
            for change in file.changes {
                switch change {
                case .write(let offset, let written): whole = max(whole, offset + written.count)
                case .truncate(let size): whole = size
                }
            }
            if whole > bytes.count { Self.apply(.truncate(whole), to: &bytes) }
        }
        return bytes
    }

    /// A write as the writes of its sectors.
    private static func parts(of change: Change, between sectors: Int) -> [Change] {
        guard sectors > 0, case .write(let start, let bytes) = change else { return [change] }
        var parts: [Change] = []
        var offset = start
        while offset < start + bytes.count {
            let end = min((offset / sectors + 1) * sectors, start + bytes.count)
            let first = bytes.startIndex - start
            parts.append(.write(offset: offset, bytes: bytes[(first + offset)..<(first + end)]))
            offset = end
        }
        return parts
    }

    private static func apply(_ change: Change, to bytes: inout [UInt8]) {
        switch change {
        case .write(let offset, let written):
            if bytes.count < offset + written.count { apply(.truncate(offset + written.count), to: &bytes) }
            // Many times faster than to replace a range of the array, in a build for debugging.
            bytes.withUnsafeMutableBytes { bytes in
                written.withUnsafeBytes { written in
                    guard let source = written.baseAddress else { return }
                    bytes.baseAddress?.advanced(by: offset).copyMemory(from: source, byteCount: written.count)
                }
            }
        case .truncate(let size):
            if size < bytes.count {
                bytes.removeLast(bytes.count - size)
            } else {
                bytes += [UInt8](repeating: 0, count: size - bytes.count)
            }
        }
    }

    private static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .create(let name, let file): names[name] = file
        case .delete(let name): names[name] = nil
        }
    }
}
