import Foundation

/// Inputs that grow out of a few good ones by small changes, the way a fuzzer makes them. A seed determines all of it, and
/// inputs that had an effect nobody had seen before are changed further.
///
/// `FUZZ_SECONDS` asks for so long with each reader, from a seed that nobody chose, instead of the few rounds of an
/// ordinary run.
package struct Fuzzer {
    private var pool: [[UInt8]]
    private var seen: Set<Int> = []
    private var random: SeededGenerator
    private let seed: UInt64
    private let tokens: [[UInt8]]
    private let longest: Int

    private static let seconds = ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap { Int($0) }

    /// - Parameters:
    ///   - corpus: the folder in Tests/Corpus with the good inputs.
    ///   - tokens: what means something to the reader.
    ///   - longest: the most bytes of an input.
    package init(corpus: String, tokens: [String], longest: Int = 4_096) throws {
        let folder = Python.packageRoot.appendingPathComponent("Tests/Corpus/\(corpus)")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        pool = try files.sorted { $0.path < $1.path }.map { Array(try Data(contentsOf: $0)) }
        seed = Self.seconds == nil ? 1 : .random(in: .min ... .max)
        random = SeededGenerator(seed: seed)
        self.tokens = tokens.map { Array($0.utf8) }
        self.longest = longest
    }

    /// Calls the body with one input after the other; throws what it throws, and the input with it.
    ///
    /// - Parameter body: returns what the input was found to be, in a few words: the effect.
    package mutating func run(rounds: Int, _ body: ([UInt8], inout SeededGenerator) throws -> some Hashable) throws {
        let end = ContinuousClock.now + .seconds(Self.seconds ?? 0)
        var round = 0
        while Self.seconds == nil ? round < rounds : ContinuousClock.now < end {
            let input = round < pool.count ? pool[round] : next()
            round += 1
            let start = ContinuousClock.now
            let effect: Int
            do {
                effect = try body(input, &random).hashValue
            } catch {
                throw Failure(seed: seed, input: input, reason: "\(error)")
            }
            // None takes a millisecond; so long only one whose time grows with more than its length.
            guard ContinuousClock.now - start < .seconds(20) else {
                throw Failure(seed: seed, input: input, reason: "took longer than 20 s")
            }
            if seen.insert(effect).inserted, pool.count < 1_000, input.count <= longest { pool.append(input) }
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        var seed: UInt64
        var input: [UInt8]
        var reason: String

        var description: String { "\(reason); seed \(seed), in base64: \(Data(input).base64EncodedString())" }
    }

    private mutating func next() -> [UInt8] {
        var input = pool.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) { change(&input) }
        return Array(input.prefix(longest))
    }

    private mutating func change(_ input: inout [UInt8]) {
        let place = Int.random(in: 0...input.count, using: &random)
        let end = min(input.count, place + (Bool.random(using: &random) ? 1 : .random(in: 0...40, using: &random)))
        switch Int.random(in: 0..<7, using: &random) {
        case 0: if place < input.count { input[place] ^= 1 << UInt8.random(in: 0...7, using: &random) }
        case 1: input.insert(.random(in: 0...255, using: &random), at: place)
        case 2: input.removeSubrange(place..<end)
        case 3: input.insert(contentsOf: input[place..<end], at: Int.random(in: 0...input.count, using: &random))
        case 4:
            let other = pool.randomElement(using: &random) ?? []
            input.replaceSubrange(place..., with: other.suffix(Int.random(in: 0...other.count, using: &random)))
        case 5: input.removeSubrange(end...)
        default: input.insert(contentsOf: tokens.randomElement(using: &random) ?? [], at: place)
        }
    }
}
