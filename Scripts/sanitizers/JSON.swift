/// One input of libFuzzer.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    if let value = JSONValue(Array(UnsafeBufferPointer(start: start, count: count))) { precondition(value == value) }
    return 0
}
