/// Credentials that a program prints: `credential_process` of the profile, taken apart like a shell's line but run without
/// one. It answers with JSON of version 1.
///
/// Its standard error goes nowhere, for it may hold anything; run it by hand to see it.
struct ProcessCredentials: CredentialsSource {
    let context: LookupContext
    let name = "credential_process"

    func find(at time: Int64) throws(CredentialsError) -> CredentialsLookup {
        let profiles = try context.profiles()
        guard let profile = profiles.selected else { return .absent(profiles.nowhere) }
        if profile["login_session"] != nil {
            throw .unusable(
                source: "login_session of profile [\(profiles.name)]",
                reason: "what `aws login` leaves can only be read by the AWS tools; name another profile, whose "
                    + "credential_process is `aws configure export-credentials --profile \(profiles.name) --format process`"
            )
        }
        guard let line = profile["credential_process"] else {
            return .absent("none in profile [\(profiles.name)]")
        }
        let source = "credential_process of profile [\(profiles.name)]"
        guard let words = ShellWords.split(line), !words.isEmpty else {
            throw .unusable(source: source, reason: "it has a quotation that does not end")
        }
        let output: [UInt8]
        do throws(CommandOutput.Failure) {
            output = try CommandOutput.of(words, environment: context.environment) { context.requests.isCancelled }
        } catch {
            let reason = "\(error); run it by hand to see what it says"
            if error.isPassing { throw .unavailable(source: source, reason: reason) }
            throw .unusable(source: source, reason: reason)
        }
        guard let json = JSONValue(output), json.isObject else {
            throw .unusable(
                source: source,
                reason: "what it prints is no JSON object; run it by hand to see what it says"
            )
        }
        guard json["Version"]?.integer == 1 else {
            throw .unusable(source: source, reason: "what it prints has not \"Version\": 1")
        }
        let credentials = try CredentialsAnswer.credentials(
            in: json,
            tokenName: "SessionToken",
            required: false,
            source: source
        )
        return .found(credentials, place: "profile [\(profiles.name)]")
    }
}
