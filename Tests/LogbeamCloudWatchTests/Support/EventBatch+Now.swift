import Foundation
import LogbeamCore

extension EventBatch {
    /// A batch of messages that were all logged now, or so many milliseconds later.
    static func now(_ messages: String..., to destination: Destination, offsets: [Int64] = []) -> EventBatch {
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        var batch = EventBatch(destination: destination)
        for (index, message) in messages.enumerated() {
            let offset = index < offsets.count ? offsets[index] : 0
            batch.append(id: Int64(index), timestamp: now + offset, message: message.utf8)
        }
        return batch
    }
}
