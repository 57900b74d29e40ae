/// Stub.
public final class LogShipper: Sendable {}
