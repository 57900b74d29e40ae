internal import CSQLite
import Foundation

/// SQLite's default VFS with a ``TestDisk`` between it and SQLite, for files in a directory that has one. All other files
/// are opened by the VFS that was the default before, and have nothing to do with this one from then on.
///
/// https://www.sqlite.org/c3ref/vfs.html, https://www.sqlite.org/c3ref/io_methods.html.
enum TestVFS {
    /// Makes this the default VFS, for the rest of the process: connections name none.
    static func register() { _ = isRegistered }

    private static let isRegistered: Bool = sqlite3_vfs_register(vfs, 1) == SQLITE_OK

    // SQLite's own, never changed and never freed.
    private nonisolated(unsafe) static let base: UnsafeMutablePointer<sqlite3_vfs> = sqlite3_vfs_find(nil)

    // Filled before anyone sees it; SQLite changes the list that it stands in under a mutex of its own.
    private nonisolated(unsafe) static let vfs: UnsafeMutablePointer<sqlite3_vfs> = {
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        // What is not replaced takes no notice of the VFS that it is called on (os_unix.c).
        vfs.initialize(to: base.pointee)
        vfs.pointee.zName = UnsafePointer(strdup("logbeam-test"))
        vfs.pointee.szOsFile = Int32(headSize) + base.pointee.szOsFile
        vfs.pointee.xOpen = { _, path, file, flags, outFlags in TestVFS.open(path, file, flags, outFlags) }
        vfs.pointee.xDelete = { _, path, syncsDirectory in TestVFS.delete(path, syncsDirectory) }
        return vfs
    }()

    // Filled before anyone sees it, never changed after.
    private nonisolated(unsafe) static let methods: UnsafePointer<sqlite3_io_methods> = {
        var methods = sqlite3_io_methods()
        // Without memory-mapped pages of the main file, which came with version 3.
        methods.iVersion = 2
        methods.xClose = { file in
            let code = real(file).pointee.pMethods.pointee.xClose(real(file))
            head(file).pointee.open.release()
            return code
        }
        methods.xRead = { file, bytes, count, offset in
            real(file).pointee.pMethods.pointee.xRead(real(file), bytes, count, offset)
        }
        methods.xWrite = { file, bytes, count, offset in
            let open = head(file).pointee.open.takeUnretainedValue()
            let buffer = UnsafeRawBufferPointer(start: bytes, count: Int(count))
            return open.disk.write(file: open.file, offset: Int(offset), bytes: buffer) { count in
                real(file).pointee.pMethods.pointee.xWrite(real(file), bytes, Int32(count), offset)
            }
        }
        methods.xTruncate = { file, size in
            let open = head(file).pointee.open.takeUnretainedValue()
            return open.disk.truncate(file: open.file, size: Int(size)) {
                real(file).pointee.pMethods.pointee.xTruncate(real(file), size)
            }
        }
        methods.xSync = { file, flags in
            let open = head(file).pointee.open.takeUnretainedValue()
            let code = open.disk.sync(
                file: open.file,
                knownFailures: &open.knownFailures,
                syncsDirectory: open.syncsDirectory
            ) {
                real(file).pointee.pMethods.pointee.xSync(real(file), flags)
            }
            if code == SQLITE_OK { open.syncsDirectory = false }
            return code
        }
        methods.xFileSize = { file, size in real(file).pointee.pMethods.pointee.xFileSize(real(file), size) }
        methods.xLock = { file, level in real(file).pointee.pMethods.pointee.xLock(real(file), level) }
        methods.xUnlock = { file, level in real(file).pointee.pMethods.pointee.xUnlock(real(file), level) }
        methods.xCheckReservedLock = { file, isHeld in
            real(file).pointee.pMethods.pointee.xCheckReservedLock(real(file), isHeld)
        }
        methods.xFileControl = { file, operation, argument in
            let disk = head(file).pointee.open.takeUnretainedValue().disk
            if operation == SQLITE_FCNTL_LAST_ERRNO, let code = disk.systemError {
                argument?.storeBytes(of: code, as: Int32.self)
                return SQLITE_OK
            }
            return real(file).pointee.pMethods.pointee.xFileControl(real(file), operation, argument)
        }
        methods.xSectorSize = { file in real(file).pointee.pMethods.pointee.xSectorSize(real(file)) }
        methods.xDeviceCharacteristics = { file in
            real(file).pointee.pMethods.pointee.xDeviceCharacteristics(real(file))
        }
        methods.xShmMap = { file, region, size, extends, address in
            head(file).pointee.open.takeUnretainedValue().disk.map {
                real(file).pointee.pMethods.pointee.xShmMap(real(file), region, size, extends, address)
            }
        }
        methods.xShmLock = { file, offset, count, flags in
            real(file).pointee.pMethods.pointee.xShmLock(real(file), offset, count, flags)
        }
        methods.xShmBarrier = { file in real(file).pointee.pMethods.pointee.xShmBarrier(real(file)) }
        methods.xShmUnmap = { file, deletes in real(file).pointee.pMethods.pointee.xShmUnmap(real(file), deletes) }
        let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        pointer.initialize(to: methods)
        return UnsafePointer(pointer)
    }()

    /// A file that is open, on a disk that is watched.
    private final class OpenFile {
        let disk: TestDisk
        let file: Int
        /// Whether its next sync is also one of the directory.
        var syncsDirectory: Bool
        /// Syncs of the file that have failed, and of which whoever opened it has heard.
        var knownFailures: Int

        init(disk: TestDisk, file: Int, syncsDirectory: Bool) {
            self.disk = disk
            self.file = file
            self.syncsDirectory = syncsDirectory
            knownFailures = disk.failedSyncs(of: file)
        }
    }

    /// What SQLite gives us memory for: this, and after it the file of the VFS below.
    private struct Head {
        var base: sqlite3_file
        var open: Unmanaged<OpenFile>
    }

    private static let headSize = (MemoryLayout<Head>.size + 15) / 16 * 16

    private static func head(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<Head> {
        UnsafeMutableRawPointer(file!).assumingMemoryBound(to: Head.self)
    }

    private static func real(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<sqlite3_file> {
        (UnsafeMutableRawPointer(file!) + headSize).assumingMemoryBound(to: sqlite3_file.self)
    }

    private static func open(
        _ path: sqlite3_filename?,
        _ file: UnsafeMutablePointer<sqlite3_file>?,
        _ flags: Int32,
        _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        guard let path, let disk = TestDisk.disk(of: String(cString: path)) else {
            return base.pointee.xOpen(base, path, file, flags, outFlags)
        }
        file!.pointee.pMethods = nil
        let opened = disk.open(String(cString: path)) {
            base.pointee.xOpen(base, path, real(file), flags, outFlags)
        }
        guard opened.code == SQLITE_OK else { return opened.code }
        // As unixOpen decides (os_unix.c, `isNewJrnl`), even where the file was there before.
        let journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL
        let open = OpenFile(
            disk: disk,
            file: opened.file,
            syncsDirectory: flags & SQLITE_OPEN_CREATE != 0 && flags & journals != 0
        )
        head(file).initialize(
            to: Head(base: sqlite3_file(pMethods: methods), open: Unmanaged.passRetained(open))
        )
        return SQLITE_OK
    }

    private static func delete(_ path: UnsafePointer<CChar>?, _ syncsDirectory: Int32) -> Int32 {
        guard let path, let disk = TestDisk.disk(of: String(cString: path)) else {
            return base.pointee.xDelete(base, path, syncsDirectory)
        }
        return disk.delete(String(cString: path), syncsDirectory: syncsDirectory != 0) {
            base.pointee.xDelete(base, path, syncsDirectory)
        }
    }
}
