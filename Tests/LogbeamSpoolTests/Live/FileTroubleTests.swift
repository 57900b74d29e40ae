import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("What is found in the place of a spool")
struct FileTroubleTests {
    private let directory: TemporaryDirectory
    private let files: [FileIdentity]

    init() throws {
        directory = try TemporaryDirectory()
        var files: [FileIdentity] = []
        for name in ["main", "log", "index", "other"] {
            try Data().write(to: URL(fileURLWithPath: directory.file(name)))
            files.append(try #require(FileIdentity(directory.file(name))))
        }
        self.files = files
    }

    @Test("says what is amiss: the file first, then what belongs to it; and what can not be seen is not amiss")
    func table() {
        let (main, log, index, other) = (files[0], files[1], files[2], files[3])
        func found(_ file: FileIdentity, _ size: Int = 4_096) -> FileIdentity.Finding { .file(file, size: size) }
        let rows: [(FileIdentity.Finding, FileIdentity.Finding, FileIdentity.Finding, FileTrouble?)] = [
            (found(main), found(log), found(index), nil),
            (found(main, 512), found(log, 0), found(index, 0), nil),
            (found(main), .unknown, .unknown, nil),
            (.unknown, .nothing, found(other), nil),
            (.nothing, found(log), found(index), .gone),
            (.nothing, .nothing, .nothing, .gone),
            (.other, found(log), found(index), .replaced),
            (found(other), found(log), found(index), .replaced),
            (found(other, 0), .nothing, .nothing, .replaced),
            (found(main, 511), found(log), found(index), .cutOff),
            (found(main, 0), .nothing, .nothing, .cutOff),
            (found(main), .nothing, found(index), .withoutWAL),
            (found(main), found(other), found(index), .withoutWAL),
            (found(main), found(log), .nothing, .withoutWAL),
            (found(main), found(log), .other, .withoutWAL),
        ]
        for (number, row) in rows.enumerated() {
            let trouble = FileTrouble.of(row.0, log: row.1, index: row.2, expected: (main, log, index))
            #expect(trouble == row.3, "row \(number)")
        }
        // What was gone when the spool was opened is amiss from the start.
        #expect(
            FileTrouble.of(found(main), log: found(log), index: found(index), expected: (main, nil, index))
                == .withoutWAL
        )
    }

    @Test("is told apart by what it is, not by its name or content; a file that has no name is known as such")
    func identity() throws {
        let path = directory.file("main")
        #expect(FileIdentity(path) == files[0])
        #expect(FileIdentity.look(at: directory.path) == .other)
        #expect(FileIdentity.look(at: path + "/below") == .nothing)
        #expect(FileIdentity.look(at: directory.file("none")) == .nothing)
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        #expect(!files[0].isUnlinked)
        #expect(rename(path, directory.file("renamed")) == 0)
        #expect(!files[0].isUnlinked)
        #expect(FileIdentity(directory.file("renamed")) == files[0])
        #expect(unlink(directory.file("renamed")) == 0)
        #expect(files[0].isUnlinked)
        try handle.close()
    }
}
