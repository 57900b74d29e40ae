/// The pages of an SQLite file as its last commit left them, each from the file or from the write-ahead log beside it.
///
/// Neither is ever changed, and neither need be one that SQLite can open. Holds a page or two in memory, and for each page
/// of the log where it lies. Pages count from 1.
///
/// Not Sendable: belongs to the thread that salvages.
final class DatabaseFile {
    let file: ReadOnlyFile
    private let walFile: ReadOnlyFile?
    let log: WriteAheadLog?
    let pageSize: Int
    /// The highest number of a page that there is.
    let pageCount: Int
    /// The first bytes of the first page; empty if they are not those of an SQLite file.
    let header: [UInt8]
    /// The page of the pointer map that was asked for last: they are asked for in their order.
    private var pointerMap: (number: Int, bytes: [UInt8]?) = (0, nil)

    init(path: String) throws(SpoolError) {
        file = try ReadOnlyFile(path: path)
        walFile = try? ReadOnlyFile(path: file.path + "-wal")
        // A log's header has a checksum. That of the file has none: its pages must bear it out.
        let size = walFile.flatMap(WriteAheadLog.pageSize) ?? Self.pageSize(of: file)
        pageSize = size
        log = walFile.map { WriteAheadLog($0, pageSize: size) }
        let own = (file.size + size - 1) / size
        // A database grows by pages that are in the log, or nearly: a page number that is far out is made up, unless the
        // file was cut off.
        let likely = max(2 * (own + (log?.pages.count ?? 0)), Self.cutOffLimit)
        pageCount = max(own, min(log?.pages.keys.max() ?? 0, likely))
        let first = log?.pages[1].flatMap { [walFile] in walFile?.read(100, at: $0) } ?? file.read(100, at: 0) ?? []
        header = first.starts(with: Array("SQLite format 3\0".utf8)) ? first : []
    }

    /// The bytes of a page, zero where the file is cut off; `nil` where there is nothing, or the disk gives nothing.
    func bytes(of page: Int) -> [UInt8]? {
        // The log may be shorter by now than it was: whoever writes to it has begun it anew.
        let read =
            log?.pages[page].map { walFile?.read(pageSize, at: $0) } ?? file.read(pageSize, at: (page - 1) * pageSize)
        guard var bytes = read, !bytes.isEmpty else { return nil }
        bytes.append(contentsOf: repeatElement(0, count: pageSize - bytes.count))
        return bytes
    }

    /// A page that the log has in a version that can not be verified.
    func doubtfulPage(_ page: Int, at offset: Int) -> BTreePage? {
        walFile?.read(pageSize, at: offset).flatMap { BTreePage($0, start: Self.start(of: page)) }
    }

    func page(_ page: Int) -> BTreePage? {
        bytes(of: page).flatMap { BTreePage($0, start: Self.start(of: page)) }
    }

    /// Whether a page can have this number that another one leads to: any but the first.
    private func isPage(_ number: Int) -> Bool { (2...max(2, pageCount)).contains(number) }

    /// Where the header of a b-tree page begins: the first page begins with the header of the file.
    static func start(of page: Int) -> Int { page == 1 ? 100 : 0 }

    /// The payload of a cell, and the pages that hold what its own page does not. `nil` if they do not form a chain that
    /// ends where the payload does.
    func payload(of cell: Cell) -> (bytes: ArraySlice<UInt8>, overflow: [Int])? {
        guard var next = cell.overflow else { return (cell.local, []) }
        var payload = cell.local
        var chain: [Int] = []
        var seen: Set<Int> = []
        while payload.count < cell.length {
            guard isPage(next), seen.insert(next).inserted, let bytes = bytes(of: next)
            else { return nil }
            chain.append(next)
            payload.append(contentsOf: bytes[4...].prefix(cell.length - payload.count))
            next = bytes.bigEndian(at: 0, count: 4) ?? 0
        }
        return next == 0 ? (payload, chain) : nil
    }

    // MARK: What is free

    /// Whether what the file says of free pages is as new as its trees. Where two pages or more of the log are lost, a
    /// page that an old map calls free may hold rows by now, while the page that leads to it is lost too.
    private var knowsFreePages: Bool { (log?.lostFrames ?? 0) < 2 }

    /// What the pointer map says of a page (https://www.sqlite.org/fileformat2.html, "Pointer Map or Ptrmap Pages").
    enum Use {
        case free
        case used
        /// The page is one of the map itself, or the one that SQLite keeps for its locks.
        case reserved
        /// The file has no such map, or it is damaged there, or it can not be trusted.
        case unknown
    }

    func use(of page: Int) -> Use {
        // "The Lock-Byte Page", at one gibibyte.
        if page == 0x4000_0000 / pageSize + 1 { return .reserved }
        guard let largestRoot = header.bigEndian(at: 52, count: 4), largestRoot != 0, page > 1, knowsFreePages else {
            return .unknown
        }
        let stride = pageSize / 5 + 1
        var map = (page - 2) / stride * stride + 2
        if map == 0x4000_0000 / pageSize + 1 { map += 1 }
        guard page > map else { return .reserved }
        if pointerMap.number != map { pointerMap = (map, bytes(of: map)) }
        let entry = 5 * (page - map - 1)
        guard let kind = pointerMap.bytes?.bigEndian(at: entry, count: 1),
            let parent = pointerMap.bytes?.bigEndian(at: entry + 1, count: 4)
        else { return .unknown }
        switch (kind, parent) {
        case (2, 0): return .free
        case (1, 0), (3...5, 1...): return .used
        default: return .unknown
        }
    }

    /// The pages of the freelist, as far as it can be followed (same source, "The Freelist").
    func freelist() -> PageSet {
        var free = PageSet(pageCount)
        var trunk = header.bigEndian(at: 32, count: 4) ?? 0
        while isPage(trunk), knowsFreePages, let bytes = bytes(of: trunk), let next = bytes.bigEndian(at: 0, count: 4),
            let count = bytes.bigEndian(at: 4, count: 4), next <= pageCount, count <= pageSize / 4 - 2
        {
            let leaves = (0..<count).map { bytes.bigEndian(at: 8 + 4 * $0, count: 4) ?? 0 }
            // What is no trunk page must not declare others free.
            guard leaves.allSatisfy(isPage), free.insert(trunk) else { break }
            for leaf in leaves { free.insert(leaf) }
            trunk = next
        }
        return free
    }

    // MARK: The page size

    /// The page size that the header of the file tells; where that can not be, the one by which most pages look like
    /// b-tree pages.
    private static func pageSize(of file: ReadOnlyFile) -> Int {
        let sample = file.read(sampleSize, at: 0) ?? []
        let sizes = (9...16).map { 1 << $0 }
        if let told = sample.bigEndian(at: 16, count: 2).map({ $0 == 1 ? 65_536 : $0 }), sizes.contains(told),
            let pages = sample.bigEndian(at: 28, count: 4), pages * told == file.size
        {
            return told
        }
        let evidence = sizes.map { size in
            stride(from: size, to: sample.count, by: size).count {
                (BTreeHeader(sample[$0...], start: 0, pageSize: size)?.cellCount ?? 0) > 0
            }
        }
        let most = evidence.max() ?? 0
        // Every page of 4,096 bytes is also the first part of one by a smaller size, but only every second by a larger one.
        let good = zip(sizes, evidence).filter { $0.1 * 10 >= most * 9 }.map(\.0)
        // Which spools are made with.
        return good.contains(4_096) ? 4_096 : good.last ?? 4_096
    }

    /// Up to this number a page that only the log has is looked for however short the file is: 16 GiB, at half a megabyte of
    /// memory.
    private static let cutOffLimit = 1 << 22

    /// The bytes from which the page size is found out where the header of the file is damaged: a thousand pages.
    private static let sampleSize = 4 << 20
}

/// A set of page numbers, at one bit for each page of the file.
struct PageSet {
    private var words: [UInt64]

    /// - Parameter count: the highest number that it may hold.
    init(_ count: Int) {
        words = [UInt64](repeating: 0, count: count / 64 + 1)
    }

    func contains(_ page: Int) -> Bool {
        words[page / 64] & 1 << UInt64(page % 64) != 0
    }

    /// False if it was there before.
    @discardableResult
    mutating func insert(_ page: Int) -> Bool {
        defer { words[page / 64] |= 1 << UInt64(page % 64) }
        return !contains(page)
    }
}
