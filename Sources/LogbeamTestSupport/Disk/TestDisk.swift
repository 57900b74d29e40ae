import Foundation
internal import Synchronization

/// A directory whose SQLite files are watched: writes down all that is done to them, in order, and lets calls fail.
///
/// Works in every connection that this process opens after the disk is made. The files are real, and the calls reach them.
/// Only what SQLite does through its VFS is seen (https://www.sqlite.org/vfs.html); what the `-shm` file holds is not, for
/// SQLite makes it anew when the first connection opens the database (https://www.sqlite.org/walformat.html, "The
/// WAL-Index").
///
/// Thread-safe: calls on the files of one disk are made one after the other, in the order in which they are written down.
package final class TestDisk: Sendable {
    /// Something that was done, and succeeded. Files are numbered; a name in the directory stands for one at a time.
    package enum Event: Sendable, Equatable {
        /// A file made by other means came in sight. It counts as durable, with its name.
        case adopt(name: String, file: Int, bytes: [UInt8])
        case create(name: String, file: Int)
        case delete(name: String)
        case write(file: Int, offset: Int, bytes: [UInt8])
        case truncate(file: Int, size: Int)
        case sync(file: Int)
        /// A sync that failed. What was written before is not on the disk, and no later sync brings it there: the kernel calls
        /// it written (https://lwn.net/Articles/752063/).
        case failedSync(file: Int)
        case syncDirectory
        /// Written by the test, to say what had happened by then.
        case note(Int)
    }

    /// Calls that can fail.
    package enum Call: Sendable, Hashable {
        case open, write, sync, truncate
        /// Mapping a part of the `-shm` file, which may have to be made longer for it.
        case map
    }

    /// What makes calls fail.
    package struct Fault: Sendable {
        /// Only these are counted, and fail.
        package var calls: Set<Call>
        /// The first call that fails, counted from 1 from when the fault is set.
        package var first: Int
        /// Whether the calls after it fail too, until the fault is taken away.
        package var lasts: Bool
        /// What SQLite is told: https://www.sqlite.org/rescode.html.
        package var code: Int32
        /// Whether half of a write that fails is done.
        package var isShort: Bool
        /// `errno` of the calls that fail; 0: as the system left it.
        package var systemError: Int32

        package init(
            _ calls: Set<Call>,
            first: Int,
            lasts: Bool = false,
            code: Int32,
            isShort: Bool = false,
            systemError: Int32 = 0
        ) {
            self.calls = calls
            self.first = first
            self.lasts = lasts
            self.code = code
            self.isShort = isShort
            self.systemError = systemError
        }
    }

    private struct State {
        var events: [Event] = []
        /// The files that names stand for, and those of all inodes that were seen.
        var names: [String: Int] = [:]
        var inodes: [UInt64: Int] = [:]
        var fileCount = 0
        var fault: Fault?
        /// Where each call of a kind waits before it is made.
        var gates: [Call: Gate] = [:]
        /// The bytes that all files may have together; `nil` for any number.
        var capacity: Int?
        /// The size of each file.
        var sizes: [Int: Int] = [:]
        /// How many syncs of each file have failed.
        var failedSyncs: [Int: Int] = [:]
        var used: Int { Set(names.values).reduce(0) { $0 + (sizes[$1] ?? 0) } }
        /// The calls that the fault has counted, and those of them that failed.
        var counted = 0
        var failed = 0

        mutating func newFile(_ name: String, inode: UInt64) -> Int {
            fileCount += 1
            names[name] = fileCount
            inodes[inode] = fileCount
            return fileCount
        }
    }

    private let directory: String
    private let records: Bool
    private let state = Mutex(State())

    /// - Parameters:
    ///   - directory: exists, and has no other disk.
    ///   - records: whether it is written down what is written: all of that is in memory.
    package init(directory: String, records: Bool = true) {
        self.records = records
        self.directory = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path
        TestVFS.register()
        Self.disks.withLock { $0[self.directory] = Entry(disk: self) }
    }

    deinit {
        _ = Self.disks.withLock { $0.removeValue(forKey: directory) }
    }

    /// What has happened so far.
    package var events: [Event] { state.withLock { $0.events } }

    package func note(_ number: Int) {
        state.withLock { $0.events.append(.note(number)) }
    }

    /// Sets a fault, or takes it away, and counts from 1 again.
    package func setFault(_ fault: Fault?) {
        state.withLock { state in
            state.fault = fault
            state.counted = 0
            state.failed = 0
        }
    }

    /// Holds each sync, or each write, before it counts as a call, until a gate is opened.
    package func hold(_ call: Call, at gate: Gate?) {
        state.withLock { $0.gates[call] = gate }
    }

    /// `errno` of the last call that failed by a fault; `nil` if there is none.
    var systemError: Int32? {
        state.withLock { state in
            state.failed > 0 ? state.fault.map(\.systemError).flatMap { $0 == 0 ? nil : $0 } : nil
        }
    }

    /// Bounds what the files may take together: what makes one longer fails then, and what overwrites does not.
    package func setCapacity(_ bytes: Int?) {
        state.withLock { $0.capacity = bytes }
    }

    /// How many bytes the files take.
    package var used: Int { state.withLock { $0.used } }

    /// How many bytes they may still take.
    package var free: Int { state.withLock { state in state.capacity.map { max(0, $0 - state.used) } ?? .max } }

    /// How many calls have failed since the fault was set.
    package var failedCalls: Int { state.withLock { $0.failed } }

    // MARK: For the VFS

    private struct Entry {
        weak var disk: TestDisk?
    }

    private static let disks = Mutex<[String: Entry]>([:])

    /// The disk that watches a file, if one does.
    static func disk(of path: String) -> TestDisk? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        let directory = String(path[..<slash])
        return disks.withLock { $0[directory]?.disk }
    }

    /// Opens a file. Returns SQLite's code, and the number of the file if that says success.
    func open(_ path: String, _ body: () -> Int32) -> (code: Int32, file: Int) {
        state.withLock { state in
            if let code = Self.failure(of: .open, &state)?.code { return (code, 0) }
            let existed = Self.inode(path) != nil
            let code = body()
            guard code == 0, let inode = Self.inode(path) else { return (code, 0) }
            let name = Self.name(path)
            if existed, let file = state.names[name] { return (code, file) }
            if existed, let file = state.inodes[inode] {
                state.names[name] = file
                state.events.append(.adopt(name: name, file: file, bytes: []))
                return (code, file)
            }
            let file = state.newFile(name, inode: inode)
            if existed {
                let bytes = FileManager.default.contents(atPath: path) ?? Data()
                state.events.append(.adopt(name: name, file: file, bytes: Array(bytes)))
                state.sizes[file] = bytes.count
            } else {
                state.events.append(.create(name: name, file: file))
            }
            return (code, file)
        }
    }

    func delete(_ path: String, syncsDirectory: Bool, _ body: () -> Int32) -> Int32 {
        state.withLock { state in
            let inode = Self.inode(path)
            let code = body()
            guard code == 0 else { return code }
            let name = Self.name(path)
            if let file = state.names.removeValue(forKey: name), !state.names.values.contains(file) {
                // The system may give the inode to the next file.
                if let inode { state.inodes.removeValue(forKey: inode) }
            }
            state.events.append(.delete(name: name))
            if syncsDirectory { state.events.append(.syncDirectory) }
            return code
        }
    }

    func write(file: Int, offset: Int, bytes: UnsafeRawBufferPointer, _ body: (Int) -> Int32) -> Int32 {
        state.withLock { $0.gates[.write] }?.pass()
        return state.withLock { state in
            let failure = Self.failure(of: .write, &state)
            let count = failure == nil ? bytes.count : failure?.isShort == true ? bytes.count / 2 : 0
            guard count > 0 else { return failure?.code ?? body(0) }
            let growth = max(0, offset + count - (state.sizes[file] ?? 0))
            // SQLITE_FULL.
            if let capacity = state.capacity, growth > 0, state.used + growth > capacity { return 13 }
            let code = body(count)
            if code == 0 {
                state.sizes[file, default: 0] += growth
            }
            if code == 0, records {
                state.events.append(.write(file: file, offset: offset, bytes: Array(bytes.prefix(count))))
            }
            return failure?.code ?? code
        }
    }

    func truncate(file: Int, size: Int, _ body: () -> Int32) -> Int32 {
        let code = perform(.truncate, then: [.truncate(file: file, size: size)], body)
        if code == 0 { state.withLock { $0.sizes[file] = size } }
        return code
    }

    /// - Parameters:
    ///   - knownFailures: of how many syncs that have failed whoever opened the file has heard. Everybody hears of them once,
    ///     by the next sync of their own, which does what it shall (fsync(2): "errors from write-back will be reported to all
    ///     file descriptors that might have written the data which triggered the error").
    ///   - syncsDirectory: SQLite syncs the directory with the first sync of a file that it may have made.
    func sync(file: Int, knownFailures: inout Int, syncsDirectory: Bool, _ body: () -> Int32) -> Int32 {
        state.withLock { $0.gates[.sync] }?.pass()
        return state.withLock { state in
            if let code = Self.failure(of: .sync, &state)?.code {
                state.events.append(.failedSync(file: file))
                state.failedSyncs[file, default: 0] += 1
                knownFailures = state.failedSyncs[file, default: 0]
                return code
            }
            let code = body()
            guard code == 0 else { return code }
            state.events += [.sync(file: file)] + (syncsDirectory ? [.syncDirectory] : [])
            defer { knownFailures = state.failedSyncs[file, default: 0] }
            // SQLITE_IOERR_FSYNC.
            return knownFailures < state.failedSyncs[file, default: 0] ? 10 | 4 << 8 : 0
        }
    }

    /// How many syncs of a file have failed.
    func failedSyncs(of file: Int) -> Int { state.withLock { $0.failedSyncs[file, default: 0] } }

    func map(_ body: () -> Int32) -> Int32 {
        perform(.map, then: [], body)
    }

    private func perform(_ call: Call, then events: [Event], _ body: () -> Int32) -> Int32 {
        state.withLock { state in
            if let code = Self.failure(of: call, &state)?.code { return code }
            let code = body()
            if code == 0 { state.events += events }
            return code
        }
    }

    /// Counts a call; the fault if it is to fail.
    private static func failure(of call: Call, _ state: inout State) -> Fault? {
        guard let fault = state.fault, fault.calls.contains(call) else { return nil }
        state.counted += 1
        guard fault.lasts ? state.counted >= fault.first : state.counted == fault.first else { return nil }
        state.failed += 1
        return fault
    }

    private static func inode(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private static func name(_ path: String) -> String {
        String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
    }
}
