extension Duration {
    /// Whole milliseconds; the least or the most that there are, for what is beyond them.
    package var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, exceeds) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return overflows || exceeds ? (seconds < 0 ? .min : .max) : sum
    }
}
