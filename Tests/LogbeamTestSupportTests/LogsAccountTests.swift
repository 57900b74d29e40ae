import LogbeamCore
import LogbeamTestSupport
import Testing

@Suite("LocalEndpoint keeps groups, streams and events")
struct LogsAccountTests {
    let endpoint: LocalEndpoint
    let client: RawClient

    init() throws {
        endpoint = try LocalEndpoint(clock: { TestRequest.now })
        client = try RawClient(port: endpoint.port)
    }

    private func call(_ operation: String, _ members: [String: Any]) throws -> RawClient.Response {
        try client.exchange(TestRequest(operation, members))
    }

    @Test("creates a group, then a stream, each once")
    func creates() throws {
        let stream = ["logGroupName": "g", "logStreamName": "s"]
        #expect(try call("CreateLogStream", stream).errorType == "ResourceNotFoundException")
        let created = try call("CreateLogGroup", ["logGroupName": "g"])
        #expect(created.status == 200)
        #expect(created.body.isEmpty)
        #expect(try call("CreateLogGroup", ["logGroupName": "g"]).errorType == "ResourceAlreadyExistsException")
        #expect(try client.exchange(.put((0, "a"))).errorType == "ResourceNotFoundException")
        #expect(try call("CreateLogStream", stream).status == 200)
        #expect(try call("CreateLogStream", stream).errorType == "ResourceAlreadyExistsException")
        #expect(try client.exchange(.put((0, "a"))).status == 200)
        #expect(endpoint.records.destinations == [Destination(logGroup: "g", logStream: "s")])
    }

    @Test("creates a group with its settings, and sets the retention of one that exists")
    func groupSettings() throws {
        let settings: [String: Any] = [
            "logGroupName": "g", "tags": ["team é": "a b", "_.:/=+-@": ""], "logGroupClass": "DELIVERY",
            "kmsKeyId": "arn:aws:kms:r:1:key/2",
        ]
        let retention: [String: Any] = ["logGroupName": "g", "retentionInDays": 30]
        #expect(try call("PutRetentionPolicy", retention).errorType == "ResourceNotFoundException")
        let wrong: [String: Any] = [
            "tags": ["a": "é\u{301}"], "logGroupClass": "CHEAP", "kmsKeyId": "2", "retentionInDays": 31,
        ]
        for name in ["tags", "logGroupClass", "kmsKeyId"] {
            let changed = settings.merging([name: wrong[name] as Any]) { $1 }
            #expect(try call("CreateLogGroup", changed).errorType == "InvalidParameterException", "\(name)")
        }
        for tags in [[:], ["": "a"], ["aws:a": "b"], ["a": String(repeating: "b", count: 257)]] {
            let changed = settings.merging(["tags": tags]) { $1 }
            #expect(try call("CreateLogGroup", changed).errorType == "InvalidParameterException", "\(tags)")
        }
        #expect(endpoint.records.groups.isEmpty)
        #expect(try call("CreateLogGroup", settings).status == 200)
        let wrongDays: [String: Any] = ["logGroupName": "g", "retentionInDays": 31]
        #expect(try call("PutRetentionPolicy", wrongDays).errorType == "InvalidParameterException")
        #expect(try call("PutRetentionPolicy", retention).status == 200)
        let group = try #require(endpoint.records.groups["g"])
        #expect(group.retentionDays == 30)
        #expect(group.logGroupClass == "DELIVERY")
        #expect(group.tags == ["team é": "a b", "_.:/=+-@": ""])
        #expect(group.kmsKeyID == "arn:aws:kms:r:1:key/2")
    }

    @Test("describes the streams of a group by prefix, in pages")
    func describes() throws {
        for name in ["b2", "a", "b1", "b3"] { endpoint.create(Destination(logGroup: "g", logStream: name)) }
        func names(_ members: [String: Any]) throws -> (names: [String], next: String?) {
            let json = try call("DescribeLogStreams", members.merging(["logGroupName": "g"]) { $1 }).json
            let streams = json["logStreams"] as? [[String: Any]] ?? []
            return (streams.compactMap { $0["logStreamName"] as? String }, json["nextToken"] as? String)
        }
        #expect(try names([:]).names == ["a", "b1", "b2", "b3"])
        let page = try names(["logStreamNamePrefix": "b", "limit": 2])
        #expect(page.names == ["b1", "b2"])
        let next = try names(["logStreamNamePrefix": "b", "limit": 2, "nextToken": try #require(page.next)])
        #expect(next.names == ["b3"])
        #expect(next.next == nil)
        #expect(try call("DescribeLogStreams", ["logGroupName": "no"]).errorType == "ResourceNotFoundException")
    }

    @Test("gives the events back in the order of their time, in pages")
    func getsEvents() throws {
        endpoint.create(Destination(logGroup: "g", logStream: "s"))
        #expect(try client.exchange(.put((2, "c"), (3, "d"))).status == 200)
        #expect(try client.exchange(.put((0, "a"), (2, "c again"))).status == 200)
        var members: [String: Any] = ["logGroupName": "g", "logStreamName": "s", "startFromHead": true, "limit": 3]
        var pages: [[String]] = []
        var token: String?
        repeat {
            token = members["nextToken"] as? String
            let json = try call("GetLogEvents", members).json
            pages.append((json["events"] as? [[String: Any]] ?? []).compactMap { $0["message"] as? String })
            members["nextToken"] = json["nextForwardToken"]
        } while token != members["nextToken"] as? String
        #expect(pages == [["a", "c", "c again"], ["d"], []])
    }

    @Test("gives back the events of a range of time, whose end is exclusive, from either end")
    func getsRange() throws {
        endpoint.create(Destination(logGroup: "g", logStream: "s"))
        #expect(try client.exchange(.put((0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "e"))).status == 200)
        func get(_ members: [String: Any]) throws -> RawClient.Response {
            let range: [String: Any] = [
                "logGroupName": "g", "logStreamName": "s", "startTime": TestRequest.now + 1,
                "endTime": TestRequest.now + 4,
            ]
            return try call("GetLogEvents", range.merging(members) { $1 })
        }
        func messages(_ response: RawClient.Response) -> [String] {
            (response.json["events"] as? [[String: Any]] ?? []).compactMap { $0["message"] as? String }
        }
        #expect(messages(try get(["startFromHead": true])) == ["b", "c", "d"])
        let latest = try get(["limit": 2])
        #expect(messages(latest) == ["c", "d"])
        let back = try get(["limit": 2, "nextToken": latest.json["nextBackwardToken"] as Any])
        #expect(messages(back) == ["b"])
        let token = try #require(back.json["nextBackwardToken"])
        let end = try get(["nextToken": token])
        #expect(messages(end) == [])
        #expect(end.json["nextBackwardToken"] as? String == token as? String)
        let forward = latest.json["nextForwardToken"] as Any
        #expect(try get(["nextToken": forward]).errorType == "InvalidParameterException", "it needs startFromHead")
        #expect(try get(["nextToken": "x"]).errorType == "InvalidParameterException")
    }

    @Test("gives back at most a megabyte at once, and events only when the delay of reading is over")
    func getsLarge() throws {
        let clock = Monitor(TestRequest.now)
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { clock.withLock { $0 } })
        let client = try RawClient(port: endpoint.port)
        endpoint.setReadDelay(.seconds(2))
        for part in ["a", "b", "c"] {
            #expect(try client.exchange(.put((0, String(repeating: part, count: 400_000)))).status == 200)
        }
        func count() throws -> Int? {
            let members: [String: Any] = ["logGroupName": "g", "logStreamName": "s", "startFromHead": true]
            return (try client.exchange(TestRequest("GetLogEvents", members)).json["events"] as? [Any])?.count
        }
        #expect(try count() == 0)
        clock.withLock { $0 += 1_999 }
        #expect(try count() == 0)
        clock.withLock { $0 += 1 }
        #expect(try count() == 2)
    }

    @Test("creates what is missing if told so")
    func autoCreates() throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        let client = try RawClient(port: endpoint.port)
        #expect(try client.exchange(.put((0, "a"))).status == 200)
        #expect(endpoint.messages(in: Destination(logGroup: "g", logStream: "s")) == ["a"])
        #expect(try client.exchange(.put((0, ""), group: "h")).status == 400)
        #expect(endpoint.records.destinations.count == 1, "a refused batch creates nothing")
    }

    @Test("lets a person delete a stream or a group; what was accepted stays counted, and is not shown again")
    func deletes() throws {
        let endpoint = try LocalEndpoint(autoCreate: true, clock: { TestRequest.now })
        let client = try RawClient(port: endpoint.port)
        let (s, t) = (Destination(logGroup: "g", logStream: "s"), Destination(logGroup: "g", logStream: "t"))
        for stream in ["s", "t"] { #expect(try client.exchange(.put((0, "a"), stream: stream)).status == 200) }
        let get = TestRequest("GetLogEvents", ["logGroupName": "g", "logStreamName": "s"])

        endpoint.delete(s)
        #expect(endpoint.records.destinations == [t])
        #expect(try client.exchange(get).errorType == "ResourceNotFoundException")
        endpoint.create(s)
        #expect((try client.exchange(get).json["events"] as? [Any])?.count == 0)
        #expect(try client.exchange(.put((0, "b"))).status == 200)
        #expect((try client.exchange(get).json["events"] as? [Any])?.count == 1)

        endpoint.deleteGroup("g")
        #expect(endpoint.records.groups.isEmpty)
        #expect(endpoint.records.destinations.isEmpty)
        #expect(try client.exchange(get).errorType == "ResourceNotFoundException")
        #expect(endpoint.messages(in: s) == ["a", "b"])
        #expect(endpoint.records.acceptedCount == 3)
    }
}
