import Foundation
import Logbeam
import LogbeamTestSupport
import Testing

@Suite struct StreamNameTemplateTests {
    struct NotOnEC2: Error, CustomStringConvertible { let description = "not on EC2; write it out" }

    private static func facts() -> MachineFacts {
        MachineFacts(
            hostname: "web-1.example",
            ipAddress: "10.0.0.7",
            processID: 4711,
            program: "my service",
            // 2024-02-29T05:06:07Z
            secondsSinceEpoch: 1_709_183_167,
            instanceID: { "i-0123456789abcdef0" }
        )
    }

    @Test(
        arguments: [
            ("plain", "plain"), ("2026/11/22/[$LATEST] é", "2026/11/22/[$LATEST] é"),
            ("{hostname}", "web-1.example"), ("{instance_id}", "i-0123456789abcdef0"), ("{ip_address}", "10.0.0.7"),
            ("{pid}", "4711"), ("{program}", "my service"),
            ("{program}/{hostname}-{pid}.", "my service/web-1.example-4711."), ("{pid}{pid}", "47114711"),
            ("{date:%Y-%m-%d}", "2024-02-29"), ("{date:%Y%m%dT%H%M%SZ}", "20240229T050607Z"),
            ("{date:%j}", "060"), ("{date:%%Y é {}", "%Y é {"), ("{date:%H:%M:%S*}", "05-06-07-"),
            ("{{pid}}", "{pid}"), ("{{{pid}}}", "{4711}"), ("a}}b{{c", "a}b{c"), ("{{{{", "{{"),
            // A brace with an accent is one character to Swift.
            ("{pid}\u{301}", "4711\u{301}"), ("{{\u{301}", "{\u{301}"),
        ]
    )
    func `A template becomes a name`(template: String, name: String) throws {
        #expect(try StreamNameTemplate(template).resolve(Self.facts) == name)
    }

    @Test(
        arguments: [
            "{", "}", "a{b", "a}b", "{}", "{host}", "{Hostname}", "{ pid}", "{pid", "{date}", "{date:}", "{date:%}",
            "{date:%y}", "{date:%Y", "{{pid}", "{pid}}", "{hostname\u{301}}", "{date:%Y\u{301}%}",
        ]
    )
    func `What is no template is an error that lists the placeholders`(template: String) {
        let error = #expect(throws: ConfigurationError.self) { try StreamNameTemplate(template) }
        #expect(error?.setting == "logStreamName")
        for known in ["{hostname}", "{instance_id}", "{ip_address}", "{pid}", "{program}", "{date:FORMAT}"] {
            #expect(error?.bound.contains(known) == true)
        }
    }

    @Test(arguments: ["", "a:b{pid}", "*{pid}", String(repeating: "a", count: 512) + "{pid}"])
    func `Text that no name can have is an error before anything is resolved`(template: String) {
        let error = #expect(throws: ConfigurationError.self) { try StreamNameTemplate(template) }
        #expect(error?.bound == "1 to 512 characters without : and *")
    }

    @Test(arguments: ["{hostname}", "{ip_address}", "{program}", "{instance_id}"])
    func `A fact that is not known is an error with the remedy`(template: String) throws {
        for empty in [nil, ""] {
            let error = #expect(throws: ConfigurationError.self) {
                try StreamNameTemplate(template).resolve {
                    MachineFacts(
                        hostname: empty,
                        ipAddress: empty,
                        processID: 1,
                        program: empty,
                        secondsSinceEpoch: 0,
                        instanceID: { throw NotOnEC2() }
                    )
                }
            }
            #expect(error?.setting == "logStreamName")
            #expect(error?.value == "\"\(template)\"")
            #expect(error?.bound.hasPrefix("without \(template)") == true)
            #expect(error?.bound.hasSuffix("not on EC2; write it out") == (template == "{instance_id}"))
        }
    }

    @Test func `Colons and stars become hyphens, and what becomes too long is an error`() throws {
        func resolve(_ template: String, address: String) throws -> String {
            try StreamNameTemplate(template).resolve {
                var facts = Self.facts()
                facts.ipAddress = address
                return facts
            }
        }
        #expect(try resolve("{ip_address}", address: "2001:db8::1*") == "2001-db8--1-")
        #expect(try resolve("a{ip_address}", address: String(repeating: "b", count: 511)).count == 512)
        let error = #expect(throws: ConfigurationError.self) {
            try resolve("a{ip_address}", address: String(repeating: "b", count: 512))
        }
        #expect(error?.bound == "1 to 512 characters without : and *, but becomes 513 characters long")
    }

    @Test func `Nothing is asked of the machine for a name without placeholders`() throws {
        let name = try StreamNameTemplate("a{{b").resolve {
            Issue.record("asked")
            return Self.facts()
        }
        #expect(name == "a{b")
    }

    @Test func `Every day of three years has its date and its number, as Foundation counts`() throws {
        let template = try StreamNameTemplate("{date:%Y %m %d %j}")
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        for day in 0..<1_100 {
            // From 2023-01-01T12:34:56Z, over a leap year.
            let seconds = Int64(1_672_576_496 + day * 86_400)
            let name = try template.resolve {
                var facts = Self.facts()
                facts.secondsSinceEpoch = seconds
                return facts
            }
            let date = Date(timeIntervalSince1970: TimeInterval(seconds))
            let parts = calendar.dateComponents([.year, .month, .day], from: date)
            let number = calendar.ordinality(of: .day, in: .year, for: date)
            #expect(name.split(separator: " ").map { Int($0) } == [parts.year, parts.month, parts.day, number])
        }
    }
}
