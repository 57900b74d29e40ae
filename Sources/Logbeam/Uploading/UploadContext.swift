internal import Synchronization

/// The upload that has called the code which runs now: what that logs must not cause another upload, or there would be no
/// end. Tasks that it begins inherit it, and know when the call is over; threads of a client's own do not.
struct UploadContext: Sendable {
    final class Call: Sendable {
        private let hasEnded = Atomic(false)

        var isOver: Bool { hasEnded.load(ordering: .relaxed) }
        func end() { hasEnded.store(true, ordering: .relaxed) }
    }

    @TaskLocal static var current: UploadContext?
    /// Whether there ever was a client: as long as there was none, nobody need look for what a task inherits.
    static let isUsed = Atomic(false)
    static var ofCaller: UploadContext? {
        isUsed.load(ordering: .relaxed) ? current.flatMap { $0.call.isOver ? nil : $0 } : nil
    }

    /// Of the uploader.
    let mailbox: Mailbox
    /// The path of the spool from which it uploads.
    let spool: String
    let call = Call()
}
