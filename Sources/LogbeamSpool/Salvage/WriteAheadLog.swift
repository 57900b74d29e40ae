/// The committed pages of a write-ahead log (https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log").
///
/// SQLite itself ends at the first frame whose checksum does not fit, and with it loses all that comes after. But each
/// checksum continues from the one that is written in the frame before, so every frame can be verified by itself, and a
/// damaged one costs only itself.
struct WriteAheadLog {
    private(set) var pageSize: Int
    /// Where the newest committed version of each page begins in the file.
    private(set) var pages: [Int: Int] = [:]
    /// Where frames of the log begin whose checksum does not fit, by the page that they say they hold, unless a later
    /// frame holds that page: their pages may still have rows.
    private(set) var doubtful: [Int: Int] = [:]
    /// The pages of the database after the last commit; `nil` if there is none.
    private(set) var databasePages: Int?
    /// Frames that are damaged, also the last ones: those may be what a loss of power left of a commit.
    private(set) var damagedFrames = 0
    /// Those of them that lie before the last commit: pages of the database are older than it says.
    private(set) var lostFrames = 0
    /// Commits that SQLite does not find, because a frame before them is not as it should be.
    private(set) var lostCommits = 0
    /// Frames after the last commit.
    private(set) var uncommittedFrames = 0

    /// - Parameter pageSize: for when the log itself does not tell.
    init(_ file: ReadOnlyFile, pageSize fallback: Int) {
        let bytes = file.read(WALLayout.headerSize, at: 0) ?? []
        let header = Header(bytes)
        pageSize = header?.pageSize ?? fallback
        guard file.size > WALLayout.headerSize else { return }
        if header == nil { damagedFrames += 1 }
        // Without a header: as machines with the byte order of all that Swift runs on write it.
        let isBigEndian = header?.isBigEndian ?? false
        var salts = header?.salts
        var stored = WALChecksum(bytes, at: 24)
        var computed = stored
        var pending: [(page: Int, offset: Int, isVerified: Bool)] = []
        var others = 0
        var isPredecessorOurs = true
        var isLostToSQLite = header == nil

        let frameSize = WALLayout.frameHeaderSize + pageSize
        var offset = WALLayout.headerSize
        while offset + frameSize <= file.size {
            defer { offset += frameSize }
            let frame = file.read(frameSize, at: offset) ?? []
            let own = WALChecksum(frame, at: 16)
            var sum = stored.adding(frame, isBigEndian: isBigEndian)
            if sum != own, stored != computed { sum = computed.adding(frame, isBigEndian: isBigEndian) }
            (stored, computed) = (own, sum)

            // No page is the zeroth; the checksum of nothing but zeros is zero.
            let isVerified = sum == own && (frame.bigEndian(at: 0, count: 4) ?? 0) > 0
            let frameSalts = frame.bigEndian(at: 8, count: 4).map { [$0, frame.bigEndian(at: 12, count: 4)] }
            if !isVerified || frameSalts != header?.salts { isLostToSQLite = true }
            // Salts are in no checksum. Where they differ, the frame is damaged there, or it is one of an earlier log that
            // this one has not overwritten yet; only in the first case it continues the frame before.
            guard salts == nil || salts == frameSalts || isVerified && isPredecessorOurs else {
                isPredecessorOurs = false
                others += 1
                continue
            }
            isPredecessorOurs = true
            guard let page = frame.bigEndian(at: 0, count: 4), let commit = frame.bigEndian(at: 4, count: 4) else {
                continue
            }
            pending.append((page, offset + WALLayout.frameHeaderSize, isVerified))
            guard isVerified else {
                damagedFrames += 1
                continue
            }
            if salts == nil { salts = frameSalts }
            // What lies between two frames of the log belongs to it.
            damagedFrames += others
            others = 0
            guard commit > 0 else { continue }
            if isLostToSQLite { lostCommits += 1 }
            for frame in pending {
                if frame.isVerified { pages[frame.page] = frame.offset }
                doubtful[frame.page] = frame.isVerified ? nil : frame.offset
            }
            pending = []
            lostFrames = damagedFrames
            databasePages = commit
        }
        if offset < file.size, isPredecessorOurs { damagedFrames += 1 }
        uncommittedFrames = pending.count
    }

    /// The page size that the header of a log tells; `nil` if that is damaged.
    static func pageSize(of file: ReadOnlyFile) -> Int? {
        Header(file.read(WALLayout.headerSize, at: 0) ?? [])?.pageSize
    }

    private struct Header {
        let pageSize: Int
        let isBigEndian: Bool
        let salts: [Int?]

        /// `nil` if its checksum does not fit.
        init?(_ bytes: [UInt8]) {
            guard bytes.count == WALLayout.headerSize, let magic = bytes.bigEndian(at: 0, count: 4),
                magic & ~1 == 0x377F_0682,
                let size = bytes.bigEndian(at: 8, count: 4), (512...65_536).contains(size), size & (size - 1) == 0
            else { return nil }
            isBigEndian = magic & 1 == 1
            pageSize = size
            salts = [bytes.bigEndian(at: 16, count: 4), bytes.bigEndian(at: 20, count: 4)]
            var sum = WALChecksum()
            sum.add(bytes[0..<24], isBigEndian: isBigEndian)
            guard sum == WALChecksum(bytes, at: 24) else { return nil }
        }
    }
}
