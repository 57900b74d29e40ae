internal import LogbeamCore
internal import Synchronization

/// Keeps the credentials that a lookup has found, and looks again ahead of their end. Thread-safe.
///
/// There is one lookup at a time however many threads ask, on the thread of one of them: what the others do meanwhile says
/// ``CredentialsAge``. A lookup that fails takes nothing away: credentials that are still good stay.
package final class CredentialsCache: Sendable {
    private struct State {
        var found: CredentialsChain.Found?
        /// Why the last lookup failed; `nil` if it didn't.
        var failure: CredentialsError?
        /// When a lookup may follow the last one, if that failed or has found none that are fresh.
        var nextLookup = Int64.min
        /// Whether AWS finds fault with what was found, so that a lookup is due whatever its age.
        var isDoubted = false
        /// How many lookups have ended.
        var lookups = 0
    }

    private let look: @Sendable (Int64) throws(CredentialsError) -> CredentialsChain.Found
    private let end: @Sendable () -> Void
    private let state = Mutex(State())
    /// Held during a lookup.
    private let turn = Mutex(())

    package convenience init(_ chain: CredentialsChain) {
        self.init(
            looking: { (time) throws(CredentialsError) in try chain.resolve(at: time) },
            cancelling: { chain.cancel() }
        )
    }

    /// - Parameter look: finds credentials, given the time.
    package init(
        looking look: @escaping @Sendable (Int64) throws(CredentialsError) -> CredentialsChain.Found,
        cancelling end: @escaping @Sendable () -> Void = {}
    ) {
        self.look = look
        self.end = end
    }

    /// Credentials that are good at a time, in seconds since 1970-01-01T00:00:00Z. May block for a lookup.
    package func credentials(at time: Int64) throws(CredentialsError) -> Credentials {
        let (known, isDue, isUrgent, lookups) = state.withLock { state in
            let age = state.found.map { CredentialsAge(expiration: $0.credentials.expiration, at: time) } ?? .over
            let isDue = age == .over || state.isDoubted || (age != .fresh && time >= state.nextLookup)
            let isUrgent = age == .over || age == .ending || state.isDoubted
            return (age == .over ? nil : state.found, isDue, isUrgent, state.lookups)
        }
        if let known, !isDue { return known.credentials }
        if let result = turn.withLockIfAvailable({ _ in self.result(at: time, since: lookups) }) {
            return try result.get()
        }
        if let known, !isUrgent { return known.credentials }
        return try turn.withLock { _ in self.result(at: time, since: lookups) }.get()
    }

    /// The result of the lookup that has ended since the caller looked, else of one that is made now. In turn.
    private func result(at time: Int64, since lookups: Int) -> Result<Credentials, CredentialsError> {
        if state.withLock({ $0.lookups == lookups }) {
            let result = Result { () throws(CredentialsError) in try look(time) }
            state.withLock { state in
                state.lookups += 1
                state.isDoubted = false
                switch result {
                case .success(let found):
                    state.found = found
                    state.failure = nil
                    // Some are given for so short a time, or so late, that they are never fresh.
                    let age = CredentialsAge(expiration: found.credentials.expiration, at: time)
                    state.nextLookup = age == .fresh ? .min : Self.pause(after: time)
                case .failure(let failure):
                    state.failure = failure
                    state.nextLookup = Self.pause(after: time)
                }
            }
        }
        return state.withLock { state in
            if let credentials = state.found?.credentials,
                CredentialsAge(expiration: credentials.expiration, at: time) != .over
            {
                return .success(credentials)
            }
            return .failure(state.failure ?? .notFound(tried: []))
        }
    }

    private static func pause(after time: Int64) -> Int64 {
        time.addingReportingOverflow(CredentialsAge.pauseBetweenLookups).partialValue
    }

    /// Has the next call look for credentials, because AWS did not take these. Others, found meanwhile, stay.
    ///
    /// - Parameter areWorthless: they are no good whatever the lookup finds; else they stay if it finds nothing.
    package func doubt(_ credentials: Credentials, areWorthless: Bool) {
        state.withLock { state in
            guard state.found?.credentials == credentials else { return }
            if areWorthless { state.found = nil } else { state.isDoubted = true }
        }
    }

    /// Why there will be no credentials at some time though there are some now; `nil` if the last lookup went well.
    package func trouble(at time: Int64) -> String? {
        state.withLock { state in
            guard let failure = state.failure, let expiration = state.found?.credentials.expiration, expiration > time
            else {
                return nil
            }
            let end = UTCTime(millisecondsSinceEpoch: expiration * 1_000).iso8601
            return "the credentials end at \(end) and cannot be renewed: \(failure)"
        }
    }

    /// The source of the credentials that are in use, for a person.
    package var source: String? { state.withLock { $0.found?.description } }

    /// Ends a lookup that is going on, and every later one. May be called from any thread.
    package func cancel() { end() }
}

/// Holds secrets: no description shows any.
extension CredentialsCache: CustomStringConvertible, CustomReflectable {
    package var description: String { "CredentialsCache(\(source ?? "no credentials"))" }
    package var customMirror: Mirror { Mirror(self, children: ["source": source ?? "none"]) }
}
