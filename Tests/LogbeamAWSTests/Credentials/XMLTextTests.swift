import Testing

@testable import LogbeamAWS

@Suite("XML text")
struct XMLTextTests {
    @Test("is found by the names of the elements around it")
    func reads() throws {
        let text = try #require(
            XMLText(
                Array(
                    """
                    <?xml version="1.0" encoding="UTF-8"?>
                    <!-- <Code>no</Code> -->
                    <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error a="b">
                      <Code>AccessDenied</Code><Empty/><Message>a &lt;b&gt; &amp; &quot;c&apos; &#233;&#xe9;</Message>
                    </Error><RequestId >1</RequestId ></ErrorResponse>
                    """.utf8
                )
            )
        )
        #expect(text["Error/Code"] == "AccessDenied")
        #expect(text["ErrorResponse/Error/Message"] == "a <b> & \"c' éé")
        #expect(text["RequestId"] == "1")
        #expect(text["rror/Code"] == nil)
        #expect(text["Empty"] == nil)
    }

    @Test(
        "is not read from what is no plain XML, nor anything that could fetch or grow",
        arguments: [
            "", "plain", "{\"a\": 1}", "<a>", "<a><b></a></b>", "<a>x</a", "<a>&b;</a>", "<a>&lt</a>",
            "<a>&#x110000;</a>",
            "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>", "<a><![CDATA[x]]></a>",
            "<!-- <a>x</a>", "<!DOCTYPE a/><a>x</a>",
            "</a>", "<>x</>", String(repeating: "<a>", count: 40) + String(repeating: "</a>", count: 40),
            "<a>" + String(repeating: "<b>x</b>", count: 300) + "</a>",
        ]
    )
    func refuses(_ document: String) {
        #expect(XMLText(Array(document.utf8)) == nil)
    }

    @Test("is not read from bytes that are no UTF-8")
    func encoding() {
        #expect(XMLText([0x3C, 0x61, 0x3E, 0xFF, 0x3C, 0x2F, 0x61, 0x3E]) == nil)
    }
}
