import Foundation

@testable import LogbeamAWS

/// AWS's published test cases for Signature Version 4, one folder each.
enum PublishedSigningCases {
    /// Beside the checkout, not in it: the data is AWS's.
    static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "shared/aws/sigv4", directoryHint: .isDirectory)

    static var isPresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: [.isDirectoryKey])
            .filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
            .map(\.lastPathComponent)
            .sorted()
    }

    struct Context: Decodable {
        struct Credentials: Decodable {
            var access_key_id: String
            var secret_access_key: String
            var token: String?
        }

        var credentials: Credentials
        var normalize: Bool
        var region: String
        var service: String
        var sign_body: Bool
        var timestamp: Date
    }

    struct Case {
        var signer: Signer
        var credentials: Credentials
        var request: SigningRequest
        var time: Int64
        var canonicalRequest: String
        var stringToSign: String
        var signature: String
    }

    static func load(_ name: String) throws -> Case {
        func text(_ file: String) throws -> String {
            try String(contentsOf: folder.appending(path: name).appending(path: file), encoding: .utf8)
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        let context = try decoder.decode(Context.self, from: Data(text("context.json").utf8))
        var signer = Signer(region: context.region, service: context.service)
        signer.normalizesPath = context.normalize
        signer.sendsBodyHash = context.sign_body
        return Case(
            signer: signer,
            credentials: Credentials(
                accessKeyID: context.credentials.access_key_id,
                secretAccessKey: context.credentials.secret_access_key,
                sessionToken: context.credentials.token
            ),
            request: parse(try text("request.txt")),
            time: Int64(context.timestamp.timeIntervalSince1970),
            canonicalRequest: try text("header-canonical-request.txt"),
            stringToSign: try text("header-string-to-sign.txt"),
            signature: try text("header-signature.txt")
        )
    }

    /// Reads a request as it stands on the wire, but for the percent-encoding, which the cases leave out.
    private static func parse(_ text: String) -> SigningRequest {
        let parts = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = parts[0].split(separator: "\n")
        // A path may contain a space.
        let method = lines[0].prefix { $0 != " " }
        let target = lines[0].dropFirst(method.count + 1).dropLast(" HTTP/1.1".count)
        let path = target.prefix { $0 != "?" }
        let query = target.dropFirst(path.count + 1).split(separator: "&").map { parameter in
            let name = parameter.prefix { $0 != "=" }
            return (name: String(name), value: String(parameter.dropFirst(name.count + 1)))
        }
        let headers = lines.dropFirst().map { line in
            let name = line.prefix { $0 != ":" }
            return HTTPHeader(String(name), String(line.dropFirst(name.count + 1)))
        }
        return SigningRequest(
            method: String(method),
            path: String(path),
            query: query,
            headers: headers,
            body: parts.count > 1 ? Array(parts[1].utf8) : []
        )
    }
}
