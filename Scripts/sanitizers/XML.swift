/// One input of libFuzzer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let text = XMLText(Array(UnsafeBufferPointer(start: start, count: count)))
    precondition((text?["Credentials/AccessKeyId"]?.utf8.count ?? 0) <= count)
    return 0
}
