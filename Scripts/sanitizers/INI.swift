/// One input of libFuzzer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    do throws(INIFile.Failure) {
        let file = try INIFile(bytes, path: "/file")
        precondition(file == file)
    } catch {
        precondition(!error.reason.isEmpty)
    }
    return 0
}
