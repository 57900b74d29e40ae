/// A proxy by which requests go.
package struct Proxy: Sendable, Equatable {
    /// `http://HOST:PORT` or `https://HOST:PORT`, without a user.
    package var url: String
    /// What names it, as a person would look for it: `HTTPS_PROXY`.
    package var source: String
    /// Neither is percent-encoded any more.
    var user: String?
    var password: String?

    package init(url: String, source: String, user: String? = nil, password: String? = nil) {
        self.url = url
        self.source = source
        self.user = user
        self.password = password
    }
}

extension Proxy: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "\(url) (\(source))" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["url": url, "source": source], displayStyle: .struct) }
}

/// By which proxies requests go: what botocore makes of the environment, with the rules of Python's urllib. Pure.
///
/// `https_proxy` or `HTTPS_PROXY` for HTTPS, `http_proxy` or `HTTP_PROXY` for HTTP; the lower case wins. Where
/// `REQUEST_METHOD` is set, `HTTP_PROXY` is not read: in a CGI program it may be a header field of whoever asks. Each is
/// `[http://][USER[:PASSWORD]@]HOST[:PORT]`, also `https://`. `no_proxy` or `NO_PROXY` has names that are reached without,
/// with commas between them: each stands for the host of that name and all below it; with a port for that port alone; a
/// single `*` for every host. Neither CIDR blocks nor other patterns.
package struct ProxyRules: Sendable, Equatable {
    private var variables: [String: (name: String, value: String)] = [:]
    private var exceptions: [String]

    /// No proxy at all.
    package static let direct = ProxyRules(environment: ProcessEnvironment([:]))

    package init(environment: ProcessEnvironment) {
        for scheme in ["http", "https", "no"] {
            var names = ["\(scheme)_proxy"]
            if scheme != "http" || environment["REQUEST_METHOD"] == nil { names.append("\(scheme.uppercased())_PROXY") }
            // Set to nothing, the lower case switches the other one off.
            guard let name = names.first(where: environment.isSet), let value = environment[name] else { continue }
            variables[scheme] = (name, value)
        }
        let list = variables["no"]?.value ?? ""
        exceptions = list.split(separator: ",").map { entry in
            String(entry.asciiTrimmed.drop { $0 == "." }).asciiLowercased
        }
        .filter { !$0.isEmpty }
        if list == "*" { variables = [:] }
    }

    package static func == (left: ProxyRules, right: ProxyRules) -> Bool {
        left.exceptions == right.exceptions
            && left.variables.mapValues(\.value) == right.variables.mapValues(\.value)
    }

    /// The proxy for a URL; `nil` for none. Throws if the variable names no proxy that can be used.
    package func proxy(for url: String) throws(HTTPError) -> Proxy? {
        guard let end = url.firstRange(of: "://"), let variable = variables[url[..<end.lowerBound].asciiLowercased]
        else {
            return nil
        }
        let authority = url[end.upperBound...].prefix { !"/?#".contains($0) }.asciiLowercased
        let host = Authority(authority)?.host ?? authority
        let isException = exceptions.contains { exception in
            [authority, host].contains { $0 == exception || $0.hasSuffix(".\(exception)") }
        }
        return isException ? nil : try Self.proxy(variable.value, variable.name)
    }

    private static func proxy(_ value: String, _ variable: String) throws(HTTPError) -> Proxy {
        func invalid(_ reason: String) -> HTTPError {
            HTTPError(.unusable, "\(variable) \(reason); it is written http://[USER:PASSWORD@]HOST[:PORT]")
        }
        var rest = value[...]
        var scheme = "http"
        if let end = rest.firstRange(of: "://") {
            scheme = rest[..<end.lowerBound].asciiLowercased
            rest = rest[end.upperBound...]
        } else if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
        }
        guard scheme == "http" || scheme == "https" else {
            throw invalid("names no HTTP proxy, and others are not known")
        }
        rest = rest.prefix { !"/?#".contains($0) }
        var user: String?
        var password: String?
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = parts[0].percentDecoded
            password = parts.count > 1 ? parts[1].percentDecoded : ""
            rest = rest[rest.index(after: at)...]
        }
        guard let authority = Authority(String(rest)) else { throw invalid("has no valid host and port") }
        // libcurl would take 1080 where no port is given.
        let port = authority.port ?? (scheme == "https" ? 443 : 80)
        return Proxy(url: "\(scheme)://\(authority.host):\(port)", source: variable, user: user, password: password)
    }
}

extension Substring {
    /// Without spaces and tabs at either end.
    fileprivate var asciiTrimmed: Substring {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = drop(while: isBlank)
        return start.lastIndex { !isBlank($0) }.map { start[...$0] } ?? ""
    }

    fileprivate var asciiLowercased: String { String(self).asciiLowercased }

    /// A `%` that no two hexadecimal digits follow stays as it is, as in Python's `unquote`.
    fileprivate var percentDecoded: String {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), digits.count == 2, digits.allSatisfy({ $0.isHexDigit }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool { (0x30...0x39).contains(self) || (0x61...0x66).contains(self | 0x20) }
}

/// The variables may hold passwords: no description shows any.
extension ProxyRules: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "ProxyRules(\(variables.values.map(\.name).sorted().joined(separator: ", ")))" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["variables": description]) }
}
