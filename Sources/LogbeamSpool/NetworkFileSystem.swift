internal import CSQLite

/// The file systems of other machines. Processes share a spool by memory that is mapped from a file beside it, and that
/// is not shared between machines: "WAL does not work over a network filesystem" (https://www.sqlite.org/wal.html).
enum NetworkFileSystem {
    /// Throws if a file lies on one; `place` is the file or its directory.
    static func refuse(path: String, at place: String) throws(SpoolError) {
        if let refusal = refusal(ofType: type(of: place), path: path) { throw refusal }
    }

    /// `f_type` of statfs(2); 0 if it is not to be had.
    static func type(of place: String) -> UInt32 { logbeam_file_system_type(place) }

    static func refusal(ofType type: UInt32, path: String) -> SpoolError? {
        name(ofType: type).map { name in
            SpoolError(
                .networkFileSystem,
                path: path,
                message: "it lies on a network file system (\(name)), where SQLite's write-ahead log does not hold"
            )
        }
    }

    /// What a file system is called that is one of another machine, or is shared by several; `nil` for all others.
    ///
    /// Not among them are FUSE, of which nobody can tell what is behind it, and 9p, which containers and virtual machines
    /// have for a root that no other kernel writes to.
    ///
    /// - Parameter type: `f_type` of statfs(2). The numbers are those of linux/magic.h and statfs(2); those of GFS2, GPFS,
    ///   Lustre, BeeGFS, PanFS and WekaFS, which neither has, are from stat.c of the GNU coreutils.
    static func name(ofType type: UInt32) -> String? {
        switch type {
        case 0x6969: "NFS"
        case 0xFF53_4D42: "CIFS"
        case 0xFE53_4D42: "SMB2"
        case 0x517B: "SMB"
        case 0x564C: "NCP"
        case 0x5346_414F, 0x6B41_4653: "AFS"
        case 0x7375_7245: "Coda"
        case 0x00C3_6400: "Ceph"
        case 0x7461_636F: "OCFS2"
        case 0x0116_1970: "GFS2"
        case 0x4750_4653: "GPFS"
        case 0x0BD0_0BD0: "Lustre"
        case 0x1983_0326: "BeeGFS"
        case 0xAAD7_AAEA: "PanFS"
        case 0x1803_1977: "WekaFS"
        default: nil
        }
    }
}
