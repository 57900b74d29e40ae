package import Logging

extension Logger.Metadata {
    /// The metadata of one record. For a key that several hold, the later wins: handler, then provider, then event.
    ///
    /// The provider is asked once. Nothing is copied when only one of the three holds anything.
    package static func merged(
        handler: Logger.Metadata,
        provider: Logger.MetadataProvider?,
        event: Logger.Metadata?
    ) -> Logger.Metadata {
        overlay(event ?? [:], on: overlay(provider?.get() ?? [:], on: handler))
    }

    private static func overlay(_ later: Logger.Metadata, on base: consuming Logger.Metadata) -> Logger.Metadata {
        if later.isEmpty { return base }
        if base.isEmpty { return later }
        base.merge(later) { _, later in later }
        return base
    }
}
