import Testing

@testable import LogbeamAWS

@Suite("Timestamp")
struct TimestampTests {
    @Test(
        "is read in every form in which AWS writes it",
        arguments: [
            ("2026-01-31T12:00:00Z", 1_769_860_800), ("2026-01-31T12:00:00.123Z", 1_769_860_800),
            ("2026-01-31T12:00:00UTC", 1_769_860_800), ("2026-01-31T12:00:00", 1_769_860_800),
            ("2026-01-31T14:30:00+02:30", 1_769_860_800), ("2026-01-31T11:00:00-0100", 1_769_860_800),
            ("2026-01-31 12:00:00+00:00", 1_769_860_800), ("1970-01-01T00:00:00Z", 0),
            ("", nil), ("2026-01-31", nil), ("2026-02-30T12:00:00Z", nil), ("2026-01-31T12:00Z", nil),
            ("2026-01-31T25:00:00Z", nil), ("T", nil), ("2026-01-31T12:00:00X", nil), ("2026-01-31T12:00:00+1", nil),
            ("-2026-01-31T12:00:00Z", nil), ("99999-01-31T12:00:00Z", nil), ("1769860800", nil),
        ] as [(String, Int64?)]
    )
    func reads(_ text: String, _ seconds: Int64?) {
        #expect(Timestamp.secondsSinceEpoch(text) == seconds)
    }
}
