package import LogbeamCore

/// Both clocks of an uploader; they stand still until the test moves them.
///
/// Not Sendable: belongs to the thread of the test.
package final class ManualClock {
    package var now: UploadPlan.Moment

    /// - Parameter wall: the time of day, in milliseconds since 1970-01-01T00:00:00Z.
    package init(wall: Int64 = 1_790_000_000_000) {
        now = UploadPlan.Moment(wall: wall, monotonic: 1_000_000)
    }

    package func advance(_ milliseconds: Int64) {
        now.wall += milliseconds
        now.monotonic += milliseconds
    }
}
