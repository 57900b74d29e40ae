/// What the file of a lease says: who has it, and how often its upload loop has gone round. Pure.
///
/// On one line: the process, its host, the epoch, the beat, and the interval between two beats in milliseconds.
struct LeaseNote: Sendable, Equatable {
    var processID: Int32
    var host: String
    var beat: Beat?

    /// A sign of life.
    struct Beat: Sendable, Equatable {
        /// Counts the holders.
        var epoch: Int64
        /// Counts the signs of this holder.
        var number: UInt64
        /// The longest time between two of them while all is well, in milliseconds.
        var interval: Int64
    }

    init(processID: Int32, host: String, beat: Beat?) {
        self.processID = processID
        self.host = host
        self.beat = beat
    }

    /// The note in a file, which may hold anything. Who has locked a new file and says nothing yet may have been
    /// stopped there; a holder of version 1 or 2 of the schema names itself alone.
    init(_ bytes: some Collection<UInt8>) {
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        processID = words.first.flatMap { Int32($0) } ?? 0
        host = words.dropFirst().first.map(String.init) ?? "unknown"
        if words.isEmpty { beat = Beat(epoch: 0, number: 0, interval: 0) }
        guard words.count >= 5, let epoch = Int64(words[2]), let number = UInt64(words[3]),
            let interval = Int64(words[4])
        else { return }
        beat = Beat(epoch: epoch, number: number, interval: min(max(0, interval), Self.longestInterval))
    }

    var text: String {
        let host = String(host.map { $0.isWhitespace ? "-" : $0 })
        let beat = beat.map { " \($0.epoch) \($0.number) \($0.interval)" } ?? ""
        return "\(processID) \(host)\(beat)\n"
    }

    /// No note is longer: 64 bytes for a name is all that Linux has (gethostname(2)), and the rest are numbers.
    static let maximumLength = 512
    /// However seldom a holder says that it beats, it is not waited for without end: six minutes, a tenth of the longest
    /// lapse that can be set.
    static let longestInterval: Int64 = 360_000
}
