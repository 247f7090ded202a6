import Foundation
import Glibc
import InternetStack
import Testing
import VirtioLayout

@testable import Hypervisor

@Suite("Clients of a published port that nobody answers for, and crowds of them")
struct PublishedPortPatienceTests {
  /// What is behind the port.
  enum Absence: CaseIterable {
    /// No driver: another kernel, or one that is not there yet.
    case noDriver
    /// A driver, and nobody who answers ARP.
    case noProgram
    /// A guest that drops what it does not know, as a packet filter does.
    case silentPort
    /// A guest that resets.
    case closedPort
  }

  @Test("a client is reset within a second, whatever is missing in the guest", arguments: Absence.allCases)
  func reset(absence: Absence) throws {
    let running = try RunningLoop()
    let card = FakeCard()
    let (backend, guest, port) = try running.sync { () -> (UserNetworkBackend, GuestSide, UInt16) in
      let backend = try UserNetworkBackend(publishing: [PublishedPort(hostPort: 0, guestPort: 81)], loop: running.loop)
      let guest = GuestSide(backend, loop: running.loop, features: .none)
      // To port 81.
      if absence == .silentPort { guest.filter = { $0.count < 38 || $0[23] != 6 || $0[36..<38] != [0, 81] } }
      switch absence {
      case .noDriver: break
      case .noProgram: backend.start(receiver: card, features: .none)
      case .silentPort, .closedPort: guest.start()
      }
      return (backend, guest, backend.hostPorts[0])
    }
    defer { running.stop(before: (backend, guest)) }
    for sends in [true, false] {
      let begin = Date()
      let client = HostClient(port: port)
      // A reset is told once: to the sender where it was quicker than the data, else to the reader.
      if !sends || client.send([1, 2, 3]) { #expect(client.read(1) == nil) }
      #expect(errno == ECONNRESET || errno == EPIPE)
      #expect(Date().timeIntervalSince(begin) < 1)
    }
    #expect(try running.wait { backend.connectionCount == 0 && backend.earlyClients.isEmpty })
    // Nothing goes on for nobody's sake.
    if absence != .noProgram {
      let before = try running.sync { RunningLoop.threadNanoseconds }
      usleep(200_000)
      #expect(try running.sync { RunningLoop.threadNanoseconds } - before < 20_000_000)
    }
  }

  @Test("a guest that is busy with the port's other clients is not taken for an absent one")
  func busy() throws {
    let fixture = try UserFixture()
    let first = HostClient(port: fixture.port)
    #expect(first.send([1]))
    #expect(first.read(1) == [1])
    // From now on requests to connect are lost, for one second and a half, while the first client goes on.
    let start = Date()
    try fixture.running.sync {
      fixture.guest.filter = { frame in
        let isRequest = frame.count > 47 && frame[12..<14] == [8, 0] && frame[23] == 6 && frame[47] & 0x12 == 2
        return !isRequest || Date().timeIntervalSince(start) > 1.5
      }
    }
    let second = HostClient(port: fixture.port)
    #expect(second.send([2]))
    while Date().timeIntervalSince(start) < 1.5 {
      #expect(first.send([3]))
      #expect(first.read(1) == [3])
      usleep(100_000)
    }
    #expect(second.read(1) == [2])
  }

  @Test("six hundred clients at once each get their own bytes back, twice")
  func crowd() throws {
    let fixture = try UserFixture(connections: 2048)
    let clients = (0..<600).map { _ in HostClient(port: fixture.port) }
    for round in 0..<2 {
      for (index, client) in clients.enumerated() {
        #expect(client.send([UInt8(index & 255), UInt8(index >> 8), UInt8(round)]))
      }
      for (index, client) in clients.enumerated() {
        #expect(client.read(3) == [UInt8(index & 255), UInt8(index >> 8), UInt8(round)])
      }
    }
    #expect(try fixture.running.sync { fixture.guest.backend.connectionCount } == 600)
  }

  @Test("clients that keep their side open after the guest has ended do not keep others out")
  func halfClosed() throws {
    let fixture = try UserFixture(limit: 4) { guest, connection in
      // The guest answers and ends at once, as a server does that has told its client to close.
      guard guest.stack.status(of: connection)?.state == .established else { return }
      _ = guest.write(connection, [7])
      guest.stack.finish(connection)
      guest.stack.release(connection)
    }
    var clients: [HostClient] = []
    for _ in 0..<20 {
      let client = HostClient(port: fixture.port, timeout: 5)
      clients.append(client)
      // The byte, then the end: nobody is reset.
      #expect(client.read(2) == [7], "errno \(errno)")
    }
    #expect(try fixture.running.sync { fixture.guest.backend.connectionCount } <= 4)
  }

  @Test("clients beyond the limit wait for those that are carried, and are then served")
  func limit() throws {
    let fixture = try UserFixture(limit: 4)
    var clients = (0..<12).map { _ in HostClient(port: fixture.port) }
    for (index, client) in clients.enumerated() { #expect(client.send([UInt8(index)])) }
    var index = 0
    while !clients.isEmpty {
      #expect(clients.removeFirst().read(1) == [UInt8(index)])
      index += 1
    }
  }

  @Test("a client that is gone before the guest answers leaves nothing behind")
  func gone() throws {
    let fixture = try UserFixture()
    for reset in [true, false] {
      for _ in 0..<50 {
        let client = HostClient(port: fixture.port)
        _ = client.send([1])
        if reset { client.reset() }
      }
    }
    #expect(try fixture.running.wait { fixture.guest.backend.connectionCount == 0 })
  }
}
