import Testing

@testable import LogbeamAWS

@Suite("Signer")
struct SignerTests {
    private static let isPresent = PublishedSigningCases.isPresent

    @Test(
        "agrees with every case that AWS publishes",
        .enabled(if: isPresent, "AWS's published cases are not at ../shared/aws/sigv4, beside the checkout")
    )
    func publishedCases() throws {
        let names = try PublishedSigningCases.names()
        #expect(names.count == 21)
        for name in names {
            let published = try PublishedSigningCases.load(name)
            let signed = try published.signer.sign(published.request, with: published.credentials, at: published.time)
            #expect(signed.canonicalRequest == published.canonicalRequest, "\(name)")
            #expect(signed.stringToSign == published.stringToSign, "\(name)")
            #expect(signed.signature == published.signature, "\(name)")
        }
    }

    // The cases below are some of those published ones, so that signing is tested wherever the package is built.
    private let signer = Signer(region: "us-east-1", service: "service")
    private let credentials = Credentials(
        accessKeyID: "AKIDEXAMPLE",
        secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    )
    /// 2015-08-30T12:36:00Z
    private let time: Int64 = 1_440_938_160
    private let host = HTTPHeader("Host", "example.amazonaws.com")

    @Test("signs the plainest request as AWS does: get-vanilla")
    func vanilla() throws {
        let request = SigningRequest(method: "GET", path: "/", headers: [host])
        let signed = try signer.sign(request, with: credentials, at: time)
        #expect(signed.signature == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        #expect(
            signed.headers == [
                HTTPHeader("X-Amz-Date", "20150830T123600Z"),
                HTTPHeader(
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        + "SignedHeaders=host;x-amz-date, "
                        + "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
                ),
            ]
        )
    }

    @Test("signs and sends the session token")
    func sessionToken() throws {
        var credentials = credentials
        credentials.sessionToken = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
        let signed = try signer.sign(
            SigningRequest(method: "GET", path: "/", headers: [host]),
            with: credentials,
            at: time
        )
        #expect(signed.signature == "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8")
        #expect(signed.headers.first { $0.isNamed("x-amz-security-token") }?.value == credentials.sessionToken)
    }

    @Test("hashes the body, and sends the hash if asked: post-x-www-form-urlencoded")
    func body() throws {
        var signer = signer
        signer.sendsBodyHash = true
        let request = SigningRequest(
            method: "POST",
            path: "/",
            headers: [
                HTTPHeader("Content-Type", "application/x-www-form-urlencoded"), host,
                HTTPHeader("Content-Length", "13"),
            ],
            body: Array("Param1=value1".utf8)
        )
        let signed = try signer.sign(request, with: credentials, at: time)
        #expect(signed.signature == "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b")
        #expect(signed.headers.contains { $0.isNamed("x-amz-content-sha256") })
    }

    @Test("puts paths, queries and header fields into their canonical form")
    func canonicalForm() {
        let request = SigningRequest(
            method: "GET",
            path: "/a//./b/../c d/é/",
            query: [("b", "2"), ("a", "x y"), ("a", "+"), ("A", "~")],
            headers: [
                HTTPHeader("My-Header", "  one   two  "), host, HTTPHeader("my-header", "three"),
                HTTPHeader("Empty", ""),
                HTTPHeader("User-Agent", "left out"), HTTPHeader("Authorization", "left out"),
            ]
        )
        #expect(
            CanonicalRequest(request, payloadHash: "HASH", normalizingPath: true).text == """
                GET
                /a/c%20d/%C3%A9/
                A=~&a=%2B&a=x%20y&b=2
                empty:
                host:example.amazonaws.com
                my-header:one two,three

                empty;host;my-header
                HASH
                """
        )
        #expect(
            CanonicalRequest(request, payloadHash: "HASH", normalizingPath: false).text
                .hasPrefix("GET\n/a//./b/../c%20d/%C3%A9/\n")
        )
    }

    @Test(
        "normalises a path without leaving its root",
        arguments: [
            ("/", "/"), ("//", "/"), ("/./", "/"), ("/example/..", "/"), ("/../../etc", "/etc"), ("/a/b/..", "/a"),
            ("/a/b/../", "/a/"), ("", "/"), ("/a/.", "/a"),
        ]
    )
    func path(_ path: String, _ expected: String) {
        let request = SigningRequest(method: "GET", path: path, headers: [])
        let lines = CanonicalRequest(request, payloadHash: "", normalizingPath: true).text.split(separator: "\n")
        #expect(lines[1] == expected)
    }
}
