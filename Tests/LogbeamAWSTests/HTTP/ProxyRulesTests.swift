import Foundation
import LogbeamTestSupport
import Testing

@testable import LogbeamAWS

@Suite("Proxy rules")
struct ProxyRulesTests {
    private static let logs = "https://logs.eu-central-1.amazonaws.com/"

    private static func proxy(for url: String, _ variables: [String: String]) throws(HTTPError) -> Proxy? {
        try ProxyRules(environment: ProcessEnvironment(variables)).proxy(for: url)
    }

    private static let proxies: [([String: String], String)] = [
        ([:], logs),
        (["HTTPS_PROXY": "http://p:3128"], logs),
        (["HTTPS_PROXY": "http://p:3128"], "http://localhost:4566/"),
        (["HTTP_PROXY": "http://p:3128"], logs),
        (["HTTP_PROXY": "http://p:3128"], "http://localhost:4566/"),
        (["HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"], "http://localhost:4566/"),
        (["http_proxy": "http://p:3128", "REQUEST_METHOD": "GET"], "http://localhost:4566/"),
        (["https_proxy": "http://lower:1", "HTTPS_PROXY": "http://upper:1"], logs),
        (["https_proxy": "", "HTTPS_PROXY": "http://upper:1"], logs),
        (["https_proxy": "http://lower:1", "HTTPS_PROXY": ""], logs),
        (["HTTPS_PROXY": "http://p:1", "no_proxy": "", "NO_PROXY": "amazonaws.com"], logs),
        (["HTTPS_PROXY": "http://p:1", "no_proxy": "amazonaws.com", "NO_PROXY": ""], logs),
        (["ALL_PROXY": "http://p:3128"], logs),
        (["HTTPS_PROXY": "p:3128"], logs),
        (["HTTPS_PROXY": "p"], logs),
        (["HTTPS_PROXY": "//p:3128"], logs),
        (["HTTPS_PROXY": "https://p"], logs),
        (["HTTPS_PROXY": "http://[::1]:3128/"], logs),
        (["HTTPS_PROXY": "http://user:pass@p:3128"], logs),
        (["HTTPS_PROXY": "user:pass@p:3128"], logs),
        (["HTTPS_PROXY": "http://us%40er:p%3Aa%2Fs:s@p:3128"], logs),
        (["HTTPS_PROXY": "http://user:100%@p:3128"], logs),
    ]

    private static let exceptions: [(String, String)] = [
        ("*", logs), (" * ", logs), ("*,", logs), ("amazonaws.com", logs), (".amazonaws.com", logs),
        ("..amazonaws.com", logs),
        ("*.amazonaws.com", logs), ("AmazonAWS.COM", logs), ("maz.amazonaws.com", logs), ("azonaws.com", logs),
        ("logs.eu-central-1.amazonaws.com", logs), ("x,  amazonaws.com  ,y", logs), ("x amazonaws.com", logs),
        ("logs.eu-central-1.amazonaws.com:443", logs), ("com", logs), ("amazonaws.com.", logs), (",,", logs),
        ("h:8443", "https://h:8443/x"), ("h", "https://h:8443/x"), ("h:443", "https://h:8443/x"),
        ("h:8443", "https://a.h:8443/x"), ("127.0.0.1", "https://127.0.0.1:1/"),
        ("127.0.0.0/8", "https://127.0.0.1:1/"),
        ("10.0.0.1", "https://127.0.0.1:1/"), ("0.0.1", "https://127.0.0.1:1/"), ("[::1]", "https://[::1]:1/"),
        ("::1", "https://[::1]:1/"), ("[::1]", "https://[::1]/"), ("localhost", "https://LOCALHOST/"),
        ("localhost", "https://127.0.0.1/"),
    ]

    private struct Answer: Equatable {
        var url: String
        var user: String?
        var password: String?
    }

    @Test("go by what botocore makes of the same environment")
    func botocore() async throws {
        try await onOwnThread {
            var cases = Self.proxies
            for (list, url) in Self.exceptions {
                cases.append((["HTTPS_PROXY": "http://p:1", "NO_PROXY": list], url))
                cases.append((["HTTPS_PROXY": "http://p:1", "NO_PROXY": "other", "no_proxy": list], url))
            }
            let judge = try Python.start(LogbeamAWSTests.script("proxies.py"))
            for (environment, url) in cases {
                let line = try JSONSerialization.data(withJSONObject: [environment, url])
                try judge.write(String(decoding: line, as: UTF8.self) + "\n")
            }
            judge.closeInput()
            #expect(try judge.wait().exitCode == 0, "\(judge.text(.standardError))")
            let lines = judge.text().split(separator: "\n")
            #expect(lines.count == cases.count)
            for ((environment, url), line) in zip(cases, lines) {
                let botocores = try JSONDecoder().decode([String?]?.self, from: Data(line.utf8)).map {
                    Answer(url: ($0[0] ?? ""), user: $0[1], password: $0[2])
                }
                let ours = try Self.proxy(for: url, environment).map {
                    Answer(url: $0.url, user: $0.user, password: $0.password)
                }
                #expect(ours == botocores, "\(environment) \(url)")
            }
        }
    }

    @Test(
        "name the variable that is no proxy, and show nothing of it",
        arguments: [
            "socks5://hidden:1", "http://", "http://user:hidden@", "http://h:0", "http://hid den", "http://h:99999",
        ]
    )
    func invalid(_ value: String) {
        let error = #expect(throws: HTTPError.self) { try Self.proxy(for: Self.logs, ["https_proxy": value]) }
        #expect(error?.kind == .unusable)
        #expect(error?.message.hasPrefix("https_proxy ") == true)
        #expect(error?.message.contains("hid") == false)
    }

    @Test("show neither user nor password")
    func description() throws {
        let proxy = try #require(try Self.proxy(for: Self.logs, ["HTTPS_PROXY": "http://hidden:secret@p:3128"]))
        var dumped = ""
        dump(proxy, to: &dumped)
        for text in ["\(proxy)", "\(Optional(proxy) as Any)", dumped, String(reflecting: proxy)] {
            #expect(text.contains("http://p:3128"))
            #expect(!text.contains("hidden") && !text.contains("secret"))
        }
    }
}
