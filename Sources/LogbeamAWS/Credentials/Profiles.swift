/// What stands in the two files of AWS's tools: the config file (`AWS_CONFIG_FILE`, else `~/.aws/config`) and the shared
/// credentials file (`AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`).
///
/// A snapshot; read the files again to see what has changed.
package struct Profiles: Sendable, Equatable {
    /// One of the two files.
    package struct File: Sendable, Equatable {
        package var path: String
        /// Why nothing of it counts: it does not exist, is no regular file, or this process may not read it, which botocore
        /// passes over as well.
        package var absence: String?
        /// In the config file by the names of the profiles, in the credentials file by the names of the sections.
        package fileprivate(set) var profiles: [String: INISection] = [:]
    }

    /// The name of the profile that counts.
    package let name: String
    /// Where somebody named that profile, so that it has to exist: in a variable, or in the program's configuration.
    package let source: NameSource?

    package enum NameSource: Sendable, Equatable {
        case configuration
        case variable(String)
    }

    package private(set) var config: File
    package private(set) var credentials: File
    /// The sections `[services NAME]` and `[sso-session NAME]` of the config file.
    package private(set) var services: [String: INISection] = [:]
    package private(set) var ssoSessions: [String: INISection] = [:]

    /// The settings of a profile from both files. Where both have one, it is the credentials file's that counts.
    package subscript(profile: String) -> INISection? {
        guard var section = config.profiles[profile] else { return credentials.profiles[profile] }
        if let other = credentials.profiles[profile] { section.merge(other) }
        return section
    }

    /// The settings of the profile that counts; `nil` if there is no such profile.
    package var selected: INISection? { self[name] }

    /// The profile that counts: the chosen one, else the one that the environment names, else `default`.
    package static func name(chosen: String?, environment: ProcessEnvironment) -> (name: String, source: NameSource?) {
        if let chosen { return (chosen, .configuration) }
        // In botocore's order.
        for variable in ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"] {
            if let name = environment[variable] { return (name, .variable(variable)) }
        }
        return ("default", nil)
    }

    /// Reads both files, now. Throws if one of them is there, but not in the form of such a file.
    ///
    /// - Parameter chosen: the profile that the program's configuration names, if it does.
    package init(environment: ProcessEnvironment, chosen: String? = nil) throws(INIFile.Failure) {
        (name, source) = Self.name(chosen: chosen, environment: environment)
        let (configFile, configSections) = try Self.read("AWS_CONFIG_FILE", else: ".aws/config", environment)
        let (credentialsFile, credentialsSections) =
            try Self.read("AWS_SHARED_CREDENTIALS_FILE", else: ".aws/credentials", environment)
        config = configFile
        credentials = credentialsFile
        for (name, section) in configSections {
            if name == "default" {
                config.profiles[name] = section
                continue
            }
            guard let words = ShellWords.split(name), words.count == 2 else { continue }
            switch words[0] {
            case "profile": config.profiles[words[1]] = section
            case "services": services[words[1]] = section
            case "sso-session": ssoSessions[words[1]] = section
            default: break
            }
        }
        for (name, section) in credentialsSections { credentials.profiles[name] = section }
    }

    private static func read(
        _ variable: String,
        else belowHome: String,
        _ environment: ProcessEnvironment
    ) throws(INIFile.Failure) -> (File, [(name: String, section: INISection)]) {
        guard let path = environment.path(variable, else: belowHome) else {
            return (File(path: "~/\(belowHome)", absence: "neither \(variable) nor HOME is set"), [])
        }
        let bytes: [UInt8]?
        do throws(FileReadError) {
            bytes = try readFile(path, limit: INIFile.byteLimit)
        } catch .tooLarge(let limit) {
            throw INIFile.Failure(path: path, reason: FileReadError.tooLarge(limit: limit).description)
        } catch {
            return (File(path: path, absence: "cannot be read: \(error)"), [])
        }
        guard let bytes else { return (File(path: path, absence: "no such file"), []) }
        return (File(path: path), try INIFile(bytes, path: path).sections)
    }
}
