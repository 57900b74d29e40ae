import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamSpool

@Suite("A network file system")
struct NetworkFileSystemTests {
    @Test(
        "is known by its number",
        arguments: [
            (0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB2"), (0x517B, "SMB"), (0x564C, "NCP"),
            (0x5346_414F, "AFS"), (0x6B41_4653, "AFS"), (0x7375_7245, "Coda"), (0x00C3_6400, "Ceph"),
            (0x7461_636F, "OCFS2"), (0x0116_1970, "GFS2"), (0x4750_4653, "GPFS"), (0x0BD0_0BD0, "Lustre"),
            (0x1983_0326, "BeeGFS"), (0xAAD7_AAEA, "PanFS"), (0x1803_1977, "WekaFS"),
        ] as [(UInt32, String)]
    )
    func network(type: UInt32, name: String) {
        #expect(NetworkFileSystem.name(ofType: type) == name)
    }

    @Test(
        "is not what most spools lie on",
        arguments: [
            // ext4, XFS, btrfs, ZFS, F2FS, tmpfs, ramfs, overlay, FUSE, 9p, and what could not be asked for.
            0xEF53, 0x5846_5342, 0x9123_683E, 0x2FC1_2FC1, 0xF2F5_2010, 0x0102_1994, 0x8584_58F6, 0x794C_7630,
            0x6573_5546, 0x0102_1997, 0,
        ] as [UInt32]
    )
    func local(type: UInt32) {
        #expect(NetworkFileSystem.name(ofType: type) == nil)
    }

    @Test("is refused with the reason and the remedy")
    func refusal() {
        let error = NetworkFileSystem.refusal(ofType: 0x6969, path: "/mnt/spool.db")
        #expect(error?.kind == .networkFileSystem)
        #expect(
            error?.description
                == "spool /mnt/spool.db: it lies on a network file system (NFS), where SQLite's write-ahead "
                + "log does not hold; choose a path on a local disk, and a spool for each machine"
        )
    }

    #if os(Linux)
    enum Place: CaseIterable { case nothing, emptyFile, spool }

    @Test("takes no spool, whatever is in its place", arguments: Place.allCases)
    func unused(place: Place) async throws {
        try await onOwnThread {
            let directory = try TemporaryDirectory()
            let path = directory.file("spool.db")
            switch place {
            case .nothing: break
            case .emptyFile: try Data().write(to: URL(fileURLWithPath: path))
            case .spool: _ = try Spool(path: path)
            }
            let before = try? Data(contentsOf: URL(fileURLWithPath: path))
            let library = directory.file("nfs.so")
            let source = """
                #define _GNU_SOURCE
                #include <sys/vfs.h>
                int statfs(const char *path, struct statfs *answer) { answer->f_type = 0x6969; return 0; }
                int statfs64(const char *path, struct statfs64 *answer) { answer->f_type = 0x6969; return 0; }
                """
            let compiler = try ChildProcess(
                "/usr/bin/env",
                ["clang", "-shared", "-fPIC", "-x", "c", "-", "-o", library]
            )
            try compiler.write(source)
            compiler.closeInput()
            #expect(try compiler.wait().exitCode == 0, "\(compiler.text(.standardError))")
            let append = try ChildProcess(
                BuiltProducts.executable("logbeam-spool"),
                ["append", "--log-group", "g", "--log-stream", "s", "--spool", path],
                environment: ["LD_PRELOAD": library]
            )
            try? append.write("line\n")
            append.closeInput()
            #expect(try append.wait().exitCode == 73)
            #expect(append.text(.standardError).contains("it lies on a network file system (NFS)"))
            #expect((try? Data(contentsOf: URL(fileURLWithPath: path))) == before)
        }
    }
    #endif

    @Test("is asked for by the directory of a new spool and the file of an old one")
    func asked() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("spool.db")
        _ = try Spool(path: path)
        #expect([directory.path, path].allSatisfy { NetworkFileSystem.type(of: $0) != 0 })
        #expect(throws: Never.self) { try NetworkFileSystem.refuse(path: path, at: path) }
        #expect(NetworkFileSystem.type(of: "/proc") == 0x9FA0)
    }
}
