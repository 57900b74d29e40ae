import Foundation
import LogbeamCore
import LogbeamSpool
import LogbeamTestSupport
import Testing

@testable import logbeam_spool

#if os(Linux)
@Suite("ship under a service manager", .onOwnThreads)
struct NotificationTests {
    private let endpoint: LocalEndpoint
    private let command: Command

    init() throws {
        endpoint = try LocalEndpoint(autoCreate: true)
        var command = try Command()
        command.environment["AWS_ENDPOINT_URL"] = endpoint.url
        self.command = command
    }

    private func start(_ socket: NotifySocket, _ variables: [String: String] = [:]) throws -> ChildProcess {
        var command = command
        command.environment["NOTIFY_SOCKET"] = socket.name
        command.environment.merge(variables) { $1 }
        let process = try command.start(["ship", "--buffer-duration", "0.02"])
        process.closeInput()
        return process
    }

    @Test("It tells when it is ready, how it stands, that it reloads, and that it stops", arguments: [false, true])
    func notifies(isAbstract: Bool) throws {
        let socket = try NotifySocket(path: isAbstract ? nil : command.directory.file("notify"))
        try command.fill(["a"])
        let process = try start(socket)
        let first = try #require(socket.receive { $0 == "READY=1" })
        let status = "STATUS=1 spool: shipping 1, standing by 0, in trouble 0; delivered 1 record"
        #expect(first.contains(status) || socket.receive { $0 == status } != nil)
        process.kill(SIGHUP)
        let reload = try #require(socket.receive { $0 == "READY=1" }?.suffix(3))
        #expect(reload.first == "RELOADING=1")
        #expect(try #require(reload.dropFirst().first).contains(/^MONOTONIC_USEC=\d+$/))
        process.kill(SIGTERM)
        #expect(socket.receive { $0 == "STOPPING=1" } != nil)
        #expect(try process.wait().exitCode == 0)
    }

    @Test("It is ready though a spool can not be opened, and says so")
    func readyInTrouble() throws {
        let socket = try NotifySocket()
        let process = try start(socket)
        #expect(socket.receive { $0 == "READY=1" }?.contains { $0.contains("in trouble 1") } == true)
        try process.waitForOutput(.standardError) { $0.contains("no such spool") }
    }

    @Test("The watchdog hears of it as long as the upload loop goes round, and only then")
    func watchdog() throws {
        let socket = try NotifySocket()
        try command.fill(["a"])
        let process = try start(socket, ["WATCHDOG_USEC": "1000000"])
        let isAlive = { $0 == "WATCHDOG=1" }
        #expect(endpoint.wait { $0.acceptedCount == 1 })
        #expect(socket.receive(until: isAlive) != nil)
        let thread = try FrozenThread(named: "logbeam-upload", of: process.processIdentifier)
        // All other threads go on: one that told without looking would be heard four times in a second.
        var isSilent = false
        let deadline = ContinuousClock.now + patience
        while !isSilent, ContinuousClock.now < deadline { isSilent = socket.receive(within: .seconds(1)) == nil }
        #expect(isSilent)
        thread.thaw()
        #expect(socket.receive(until: isAlive) != nil)
        process.kill(SIGTERM)
        #expect(try process.wait().exitCode == 0)
    }

    @Test("A watchdog that is meant for another process hears nothing")
    func otherProcess() throws {
        let socket = try NotifySocket()
        try command.fill(["a"])
        let process = try start(socket, ["WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"])
        #expect(endpoint.wait { $0.acceptedCount == 1 })
        process.kill(SIGTERM)
        #expect(socket.receive { $0 == "STOPPING=1" }?.contains("WATCHDOG=1") == false)
    }

    @Test("The address of the socket: a path ends with a zero, an abstract name begins with one")
    func addresses() throws {
        #expect(ServiceManager.address("/run/n").map { Array($0.dropFirst(2)) } == Array("/run/n\0".utf8))
        #expect(ServiceManager.address("@n").map { Array($0.dropFirst(2)) } == Array("\0n".utf8))
        for name in ["", "/", "@", "n", "vsock:2:1", "/" + String(repeating: "x", count: 107), "/a\0b"] {
            #expect(ServiceManager.address(name) == nil)
        }
    }
}
#endif
