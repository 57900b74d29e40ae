/// The b-tree pages of an SQLite file (https://www.sqlite.org/fileformat2.html, "B-tree Pages"), read from bytes that may
/// be damaged: whatever they say, nothing outside of them is read, and nothing is taken for granted.
struct BTreePage {
    enum Kind: UInt8 {
        case interiorIndex = 2
        case interiorTable = 5
        case leafIndex = 10
        case leafTable = 13

        var isInterior: Bool { self == .interiorIndex || self == .interiorTable }
        var isTable: Bool { self == .interiorTable || self == .leafTable }
    }

    let kind: Kind
    let bytes: [UInt8]
    /// Where the cells begin that the page has by its own count; those whose place is impossible are left out.
    let cells: [Int]
    /// How many cells are left out.
    let misplacedCells: Int

    /// `nil` if the bytes are no b-tree page.
    ///
    /// - Parameter start: where the header of the page begins: at 100 in the first page of a file, else at 0.
    init?(_ bytes: [UInt8], start: Int) {
        guard let header = BTreeHeader(bytes[...], start: start, pageSize: bytes.count) else { return nil }
        kind = header.kind
        self.bytes = bytes
        let places = (0..<header.cellCount).map { bytes.bigEndian(at: header.end + 2 * $0, count: 2) ?? 0 }
        let first = header.end + 2 * header.cellCount
        // The shortest cells have four bytes: SQLite gives no cell less.
        cells = places.filter { first <= $0 && $0 <= bytes.count - 4 }
        misplacedCells = places.count - cells.count
    }

    /// The pages below an interior page.
    func children(start: Int) -> [Int] {
        guard kind.isInterior else { return [] }
        return (cells + [start + 8]).compactMap { bytes.bigEndian(at: $0, count: 4) }
    }

    /// What a cell holds, but for what lies on overflow pages. `nil` if it makes no sense, and for the cells of the inner
    /// pages of a table, which hold no row.
    func cell(at place: Int) -> Cell? {
        guard kind != .interiorTable else { return nil }
        var place = kind == .interiorIndex ? place + 4 : place
        guard let length = bytes.varint(at: &place), (1...Int64(Cell.maximumPayload)).contains(length) else {
            return nil
        }
        var rowID: Int64?
        if kind == .leafTable {
            guard let id = bytes.varint(at: &place) else { return nil }
            rowID = id
        }
        let local = Cell.localBytes(of: Int(length), pageSize: bytes.count, isTable: kind.isTable)
        guard place + local <= bytes.count else { return nil }
        var overflow: Int?
        if local < length {
            guard let page = bytes.bigEndian(at: place + local, count: 4) else { return nil }
            overflow = page
        }
        return Cell(rowID: rowID, length: Int(length), local: bytes[place..<place + local], overflow: overflow)
    }
}

/// The first bytes of a b-tree page.
struct BTreeHeader {
    let kind: BTreePage.Kind
    let cellCount: Int
    /// Where the pointers to the cells begin.
    let end: Int

    /// `nil` if no b-tree page can begin so.
    init?(_ bytes: ArraySlice<UInt8>, start: Int, pageSize: Int) {
        guard let first = bytes.bigEndian(at: start, count: 1), let kind = BTreePage.Kind(rawValue: UInt8(first)),
            let count = bytes.bigEndian(at: start + 3, count: 2), let content = bytes.bigEndian(at: start + 5, count: 2)
        else { return nil }
        self.kind = kind
        cellCount = count
        end = start + (kind.isInterior ? 12 : 8)
        // 65,536 does not fit into two bytes and is written as 0.
        let firstCell = content == 0 ? 65_536 : content
        guard end + 2 * count <= firstCell, firstCell <= pageSize else { return nil }
    }
}

/// One cell of a b-tree page: a row of a table, or an entry of an index.
struct Cell {
    /// `nil` in an index.
    var rowID: Int64?
    /// The bytes of the whole payload.
    var length: Int
    /// Those of them that the page itself holds.
    var local: ArraySlice<UInt8>
    /// The first of the pages that hold the rest.
    var overflow: Int?

    /// A row of a spool is a message and little else, and the longest message that logbeam takes has 1,048,550 bytes. A
    /// longer payload is taken for damage, so that damage can not ask for memory.
    static let maximumPayload = 4 << 20

    /// How much of a payload its page holds: "Cell payload" in the description of the format, where the names are U, X,
    /// M, K and P.
    static func localBytes(of length: Int, pageSize: Int, isTable: Bool) -> Int {
        let most = isTable ? pageSize - 35 : (pageSize - 12) * 64 / 255 - 23
        guard length > most else { return length }
        let least = (pageSize - 12) * 32 / 255 - 23
        let wanted = least + (length - least) % (pageSize - 4)
        return wanted <= most ? wanted : least
    }
}

extension [UInt8] {
    /// An unsigned number of at most four bytes; `nil` beyond the end.
    func bigEndian(at offset: Int, count: Int) -> Int? { self[...].bigEndian(at: offset, count: count) }

    /// A variable-length integer, as of a slice.
    func varint(at offset: inout Int) -> Int64? { self[...].varint(at: &offset) }
}

extension ArraySlice<UInt8> {
    /// An unsigned number of at most four bytes; `nil` beyond the end. Offsets count from the start of the slice.
    func bigEndian(at offset: Int, count: Int) -> Int? {
        guard offset >= 0, offset + count <= self.count else { return nil }
        var value = 0
        for place in startIndex + offset..<startIndex + offset + count { value = value << 8 | Int(self[place]) }
        return value
    }

    /// The variable-length integer at an offset, which is moved behind it: seven bits a byte, all eight of the ninth.
    func varint(at offset: inout Int) -> Int64? {
        var value: UInt64 = 0
        for length in 1...9 {
            guard offset >= 0, offset < count else { return nil }
            let byte = self[startIndex + offset]
            offset += 1
            if length == 9 { return Int64(bitPattern: value << 8 | UInt64(byte)) }
            value = value << 7 | UInt64(byte & 0x7F)
            if byte < 0x80 { break }
        }
        return Int64(bitPattern: value)
    }
}
