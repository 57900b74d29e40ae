internal import CSQLite
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What must be in order when a process forks, so that both parent and child can go on with the spool.
///
/// SQLite keeps, for each file that is open, one note of the locks that the process has on it. A child inherits the note,
/// but not the locks: what it opened on the same file would have no lock in the kernel, and another process might take
/// the log away from under it (https://www.sqlite.org/howtocorrupt.html, section 2.6). So a child closes every connection
/// that it inherited before it opens one; then SQLite has no note of the file, and takes locks of its own. To close one is
/// harmless where no statement of it is running: nothing is written, and the locks of the parent are the parent's.
///
/// So `fork()` waits until no thread is in SQLite on our behalf: until all write locks are ours, and nobody is within
/// ``pass(_:)``. That takes as long as a commit, or a checkpoint, and at most ``patience``. If it is not to be had, the
/// child has no spool: opening one throws, and what it logs goes to standard error.
///
/// The handlers run in `fork()` alone (pthread_atfork(3)): not in `posix_spawn()`, nor in `vfork()`. In a child they close
/// the files that hold a lock which it would share with its parent, and do nothing else; a child that calls `exec` pays
/// no more.
///
/// Who takes a write lock within ``pass(_:)`` enters first, and takes the lock then, never the other way round.
package enum ForkGate {
    /// How many forks lie between this process and the one in which the program began. What was made under another number
    /// belongs to another process. Costs one load.
    package static var number: Int { Gate.shared.number.load(ordering: .relaxed) }

    /// Whether a fork waits for those who are within ``pass(_:)``: what takes long should let it go first.
    package static var isAwaited: Bool { Gate.shared.isClosed.load(ordering: .relaxed) }

    /// Runs what uses SQLite on a connection that no write lock guards. May be nested.
    package static func pass<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        Gate.shared.enter()
        defer { Gate.shared.leave() }
        return try body()
    }

    static func add(_ queue: CommitQueue) { Gate.shared.change { $0.queues[ObjectIdentifier(queue)] = queue } }
    static func remove(_ queue: CommitQueue) { Gate.shared.change { $0.queues[ObjectIdentifier(queue)] = nil } }

    /// A file whose lock a child would share: it is closed in each child.
    static func add(descriptor: Int32) { Gate.shared.change { _ = $0.descriptors.insert(descriptor) } }
    static func remove(descriptor: Int32) { Gate.shared.change { _ = $0.descriptors.remove(descriptor) } }

    static func add(connection: OpaquePointer) { Gate.shared.change { _ = $0.connections.insert(connection) } }
    static func remove(connection: OpaquePointer) { Gate.shared.change { _ = $0.connections.remove(connection) } }

    /// Whether this process has a connection to the file with this canonical path.
    static func hasConnection(to path: String) -> Bool {
        var isFound = false
        Gate.shared.change { registry in
            isFound = registry.connections.contains { handle in
                sqlite3_db_filename(handle, nil).map { strcmp($0, path) == 0 } ?? false
            }
        }
        return isFound
    }

    /// To be called before a connection is opened. Throws in a child that can have none.
    static func closeInherited(path: String) throws(SpoolError) {
        guard !Gate.shared.isBroken.load(ordering: .relaxed) else {
            throw SpoolError(
                .other,
                path: path,
                message: "the process was forked while its parent was busy with the spool, and can not use it"
            )
        }
        guard Gate.shared.hasInherited.load(ordering: .acquiring) else { return }
        Gate.shared.change { registry in
            registry.inherited.forEach(closeInChild)
            registry.inherited = []
            Gate.shared.hasInherited.store(false, ordering: .releasing)
        }
    }

    private static func closeInChild(_ handle: OpaquePointer) {
        while let statement = sqlite3_next_stmt(handle, nil) { sqlite3_finalize(statement) }
        // It would copy the log if the parent were dead, and leave nothing of it for those who opened it meanwhile.
        _ = logbeam_sqlite_no_checkpoint_on_close(handle)
        sqlite3_close(handle)
    }
}

/// What is to be done around a fork.
private struct Registry {
    /// Each has a write lock.
    var queues: [ObjectIdentifier: CommitQueue] = [:]
    var descriptors: Set<Int32> = []
    var connections: Set<OpaquePointer> = []
    /// The connections of a parent that this process is yet to close.
    var inherited: Set<OpaquePointer> = []
    /// Those whose locks a fork has taken.
    var held: [CommitQueue] = []
}

// @unchecked: the registry is only touched with its lock held, and by the one thread of a new child.
private final class Gate: @unchecked Sendable {
    static let shared = Gate()

    let number = Atomic<Int>(0)
    let isClosed = Atomic<Bool>(false)
    /// This process has inherited connections that can not be closed.
    let isBroken = Atomic<Bool>(false)
    let hasInherited = Atomic<Bool>(false)
    private let inside = Atomic<Int>(0)
    private let registryLock = TimedLock()
    private var registry = Registry()
    // Of the fork that is under way: whether the registry's lock, and all else, is taken. Touched by its thread alone.
    private var hasRegistry = false
    private var isInOrder = false
    /// How deep in the gate a thread is.
    private var depth = pthread_key_t()

    /// The longest that a fork waits, in nanoseconds: as long as `log()` does by default.
    private static let patience: UInt64 = 5_000_000_000

    private init() {
        pthread_key_create(&depth, nil)
        pthread_atfork({ Gate.shared.prepare() }, { Gate.shared.goOnInParent() }, { Gate.shared.goOnInChild() })
    }

    func change(_ body: (inout Registry) -> Void) {
        guard registryLock.lock(until: .max) else { return }
        defer { registryLock.unlock() }
        body(&registry)
    }

    // MARK: Passing

    private var threadDepth: Int {
        get { Int(bitPattern: pthread_getspecific(depth)) }
        set { pthread_setspecific(depth, UnsafeRawPointer(bitPattern: newValue)) }
    }

    func enter() {
        let outer = threadDepth
        threadDepth = outer + 1
        guard outer == 0 else { return }
        inside.add(1, ordering: .sequentiallyConsistent)
        while isClosed.load(ordering: .sequentiallyConsistent) {
            inside.subtract(1, ordering: .sequentiallyConsistent)
            MonotonicClock.sleep(nanoseconds: 20_000)
            inside.add(1, ordering: .sequentiallyConsistent)
        }
    }

    func leave() {
        threadDepth -= 1
        if threadDepth == 0 { inside.subtract(1, ordering: .sequentiallyConsistent) }
    }

    // MARK: Forking. The C library lets one thread fork at a time.

    private func prepare() {
        let deadline = MonotonicClock.nanoseconds() + Self.patience
        isClosed.store(true, ordering: .sequentiallyConsistent)
        let isEmpty = waitUntilEmpty(deadline)
        // Nobody keeps it for long, whatever else is amiss.
        hasRegistry = registryLock.lock(until: MonotonicClock.nanoseconds() + Self.patience)
        isInOrder = isEmpty && hasRegistry && !isBroken.load(ordering: .relaxed) && takeWriteLocks(until: deadline)
    }

    private func waitUntilEmpty(_ deadline: UInt64) -> Bool {
        while inside.load(ordering: .sequentiallyConsistent) > 0 {
            guard MonotonicClock.nanoseconds() < deadline else { return false }
            MonotonicClock.sleep(nanoseconds: 20_000)
        }
        return true
    }

    private func takeWriteLocks(until deadline: UInt64) -> Bool {
        for queue in registry.queues.values {
            guard queue.hold(until: deadline) else { return false }
            registry.held.append(queue)
        }
        return true
    }

    private func goOnInParent() {
        if hasRegistry {
            for queue in registry.held { queue.release() }
            registry.held = []
            registryLock.unlock()
        }
        isClosed.store(false, ordering: .sequentiallyConsistent)
    }

    private func goOnInChild() {
        number.add(1, ordering: .relaxed)
        if hasRegistry {
            for descriptor in registry.descriptors { close(descriptor) }
            registry.descriptors = []
            registry.inherited.formUnion(registry.connections)
            registry.connections = []
            // They belong to what the parent made, and stay taken.
            registry.queues = [:]
            registry.held = []
            registryLock.unlock()
        }
        if isInOrder {
            hasInherited.store(!registry.inherited.isEmpty, ordering: .relaxed)
        } else {
            isBroken.store(true, ordering: .relaxed)
        }
        inside.store(threadDepth > 0 ? 1 : 0, ordering: .relaxed)
        isClosed.store(false, ordering: .sequentiallyConsistent)
    }
}
