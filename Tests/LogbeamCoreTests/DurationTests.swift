import LogbeamCore
import Testing

@Suite struct DurationTests {
    @Test(
        "Any duration has a number of milliseconds",
        arguments: [
            (.zero, 0), (.milliseconds(-1), -1), (.microseconds(1_999), 1), (.seconds(Int64.max), .max),
            (.seconds(Int64.min), .min),
            (
                Duration(secondsComponent: 9_223_372_036_854_775, attosecondsComponent: 900_000_000_000_000_000), .max
            ),
            (
                Duration(secondsComponent: -9_223_372_036_854_775, attosecondsComponent: -900_000_000_000_000_000), .min
            ),
        ] as [(Duration, Int64)]
    )
    func milliseconds(_ duration: Duration, _ expected: Int64) {
        #expect(duration.milliseconds == expected)
    }
}
