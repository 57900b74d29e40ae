import Foundation

/// Where values lie between two places, and which of them are named.
struct Axis {
    /// Of the lowest and the highest value.
    var places: (low: Double, high: Double)
    private(set) var values: (low: Double, high: Double)
    private(set) var ticks: [Double]
    private let isLogarithmic: Bool

    /// From zero to a round number that no value exceeds.
    init(linear values: [Double], from low: Double, to high: Double, ticks count: Int = 5) {
        let most = values.filter { $0 > 0 && $0.isFinite }.max() ?? 1
        let rough = most / Double(count)
        let magnitude = pow(10, floor(log10(rough)))
        let step = [1, 2, 2.5, 5, 10].map { $0 * magnitude }.first { $0 >= rough } ?? rough
        let steps = max(1, (most / step).rounded(.up))
        places = (low, high)
        self.values = (0, steps * step)
        ticks = (0...Int(steps)).map { Double($0) * step }
        isLogarithmic = false
    }

    /// From one power of ten to another, between which all values lie that are more than zero.
    init(logarithmic values: [Double], from low: Double, to high: Double) {
        let values = values.filter { $0 > 0 && $0.isFinite }
        let first = floor(log10(values.min() ?? 1))
        let last = max(first + 1, ceil(log10(values.max() ?? 10)))
        places = (low, high)
        self.values = (pow(10, first), pow(10, last))
        ticks = (Int(first)...Int(last)).map { pow(10, Double($0)) }
        isLogarithmic = true
    }

    func place(_ value: Double) -> Double {
        let fraction =
            isLogarithmic
            ? (log10(max(value, values.low)) - log10(values.low)) / (log10(values.high) - log10(values.low))
            : (value - values.low) / (values.high - values.low)
        return places.low + fraction * (places.high - places.low)
    }
}
