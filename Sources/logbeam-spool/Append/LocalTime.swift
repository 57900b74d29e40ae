internal import LogbeamCore

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Darwin)
internal import Darwin
#endif

extension TimestampFormat.Reading.Zone {
    /// The time zone of the process: TZ, else that of the machine (tzset(3)). An hour that its clocks show twice or never is
    /// what mktime(3) makes of it.
    static let local = Self { civil in
        var time = tm()
        (time.tm_year, time.tm_mon, time.tm_mday) = (
            Int32(civil.year - 1_900), Int32(civil.month - 1), Int32(civil.day)
        )
        (time.tm_hour, time.tm_min, time.tm_sec) = (Int32(civil.hour), Int32(civil.minute), Int32(civil.second))
        time.tm_isdst = -1
        // The second before 1970 is -1 too, and no log is of that second.
        let seconds = mktime(&time)
        return seconds == -1 ? nil : Int64(seconds)
    }
}
