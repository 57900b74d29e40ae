import Logbeam
import Logging
import Synchronization
import Testing

@Suite struct RecordFormatTests {
    @Test(arguments: hostileStrings)
    func `The format message is the message alone`(message: String) {
        let rendered = RecordFormat.message.render(message, metadata: ["a": "b"], error: DiskFailure())
        #expect(rendered.utf8.elementsEqual(message.utf8))
    }

    @Test func `A custom format gets all there is and decides`() {
        let format = RecordFormat.custom { record in
            """
            \(record.label)|\(record.level)|\(record.message)|\(record.metadata["k"] ?? "-")|\(record.source)|\
            \(record.file)|\(record.function)|\(record.line)|\(record.error is DiskFailure)|\(record.timestamp)
            """
        }
        let rendered = format.render(
            "m",
            level: .debug,
            label: "l",
            metadata: ["k": "v"],
            error: DiskFailure(),
            source: "S",
            timestamp: 7
        )
        #expect(rendered == "l|debug|m|v|S|App/Main.swift|run()|42|true|7")
    }
}

@Suite struct MetadataTests {
    @Test(
        arguments: [
            ([:], nil, nil, [:]),
            (["k": "handler"], nil, nil, ["k": "handler"]),
            ([:], ["k": "provider"], nil, ["k": "provider"]),
            ([:], nil, ["k": "event"], ["k": "event"]),
            (["k": "handler"], ["k": "provider"], nil, ["k": "provider"]),
            (["k": "handler"], nil, ["k": "event"], ["k": "event"]),
            ([:], ["k": "provider"], ["k": "event"], ["k": "event"]),
            (["k": "handler"], ["k": "provider"], ["k": "event"], ["k": "event"]),
            (["k": "handler"], ["k": "provider"], [:], ["k": "provider"]),
            (
                ["h": "1", "hp": "1", "he": "1"], ["p": "2", "hp": "2", "pe": "2"], ["e": "3", "he": "3", "pe": "3"],
                ["h": "1", "p": "2", "e": "3", "hp": "2", "he": "3", "pe": "3"]
            ),
        ] as [(Logger.Metadata, Logger.Metadata?, Logger.Metadata?, Logger.Metadata)]
    )
    func `The later of handler, provider and event wins`(
        handler: Logger.Metadata,
        provided: Logger.Metadata?,
        event: Logger.Metadata?,
        expected: Logger.Metadata
    ) {
        let provider = provided.map { provided in Logger.MetadataProvider { provided } }
        #expect(Logger.Metadata.merged(handler: handler, provider: provider, event: event) == expected)
    }

    @Test func `The provider is asked once a record`() {
        // A reference, because a Mutex can not be captured by an escaping closure.
        final class Counter: Sendable { let count = Mutex(0) }
        let counter = Counter()
        let provider = Logger.MetadataProvider {
            counter.count.withLock { $0 += 1 }
            return ["p": "1"]
        }
        _ = Logger.Metadata.merged(handler: ["h": "1"], provider: provider, event: ["e": "1"])
        #expect(counter.count.withLock { $0 } == 1)
    }
}
