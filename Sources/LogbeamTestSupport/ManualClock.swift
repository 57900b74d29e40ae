package import LogbeamCore
internal import Synchronization

/// Both clocks of an uploader; they stand still until the test moves them. Thread-safe.
package final class ManualClock: Sendable {
    private let moment: Mutex<UploadPlan.Moment>
    package var now: UploadPlan.Moment {
        get { moment.withLock { $0 } }
        set { moment.withLock { $0 = newValue } }
    }

    /// - Parameter wall: the time of day, in milliseconds since 1970-01-01T00:00:00Z.
    package init(wall: Int64 = 1_790_000_000_000) {
        moment = Mutex(UploadPlan.Moment(wall: wall, monotonic: 1_000_000))
    }

    package func advance(_ milliseconds: Int64) {
        now.wall += milliseconds
        now.monotonic += milliseconds
    }
}
