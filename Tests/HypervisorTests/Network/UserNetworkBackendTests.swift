import Foundation
import Glibc
import InternetStack
import RandomFixtures
import Testing
import VirtioLayout

@testable import Hypervisor

@Suite("User network")
struct UserNetworkBackendTests {
  @Test("the host answers ARP and ICMP echo")
  func arpAndEcho() throws {
    let running = try RunningLoop()
    let card = FakeCard()
    let backend = try running.sync { try UserNetworkBackend(publishing: [], loop: running.loop) }
    defer { running.stop(before: backend) }
    try running.sync {
      backend.start(receiver: card, features: .none)
      _ = backend.transmit(TestFrames.arpRequest(sender: [10, 0, 2, 15], target: [10, 0, 2, 2]))
    }
    #expect(try running.wait { card.received.contains { TestFrames.isARPReply($0.frame, from: [10, 0, 2, 2]) } })
    let gateway = try running.sync {
      Array(card.received.first { TestFrames.isARPReply($0.frame, from: [10, 0, 2, 2]) }!.frame[6..<12])
    }
    let request = TestFrames.echoRequest(to: gateway, count: 100)
    _ = try running.sync { backend.transmit(request) }
    let isAnswered = try running.wait {
      card.received.contains { packet in
        packet.frame.count == request.count && packet.frame[23] == 1 && packet.frame[34] == 0
          && packet.frame[38...] == request[38...]
      }
    }
    #expect(isAnswered)
    #expect(try running.sync { card.flushes > 0 })
  }

  @Test("the guest gets 10.0.2.15 by DHCP and serves a published port")
  func dhcp() throws {
    let fixture = try UserFixture(addressing: .dhcp)
    #expect(try fixture.running.wait { fixture.guest.stack.address == UserNetworkBackend.guestAddress })
    #expect(try fixture.running.sync { fixture.guest.stack.lease?.interface.gateway } == UserNetworkBackend.hostAddress)
    #expect(try fixture.running.sync { fixture.guest.stack.lease?.interface.prefixLength } == 24)
    let client = HostClient(port: fixture.port)
    #expect(client.send([1, 2, 3]))
    #expect(client.read(3) == [1, 2, 3])
  }

  @Test("data passes unchanged in both directions, with and without offloads", arguments: [true, false])
  func echo(withOffloads: Bool) throws {
    let fixture = try UserFixture(features: withOffloads ? allOffloads : .none)
    let client = HostClient(port: fixture.port)
    let bytes = randomBytes(3 << 20, seed: withOffloads ? 1 : 2)
    let sender = Thread {
      _ = client.send(bytes)
      client.finish()
    }
    sender.start()
    let answer = client.read(bytes.count + 1)
    #expect(answer?.count == bytes.count)
    #expect(answer == bytes)
    try fixture.running.sync {
      #expect((fixture.guest.longestFrame > 1514) == withOffloads)
      #expect(fixture.guest.sawPartialChecksum == withOffloads)
      #expect(fixture.guest.sawFullChecksum == !withOffloads)
    }
  }

  @Test("a client that ends its side still gets the whole answer")
  func halfCloseByClient() throws {
    let answer = randomBytes(300_000)
    var received = 0
    var sent: Int?
    let fixture = try UserFixture { guest, connection in
      received += guest.read(connection).count
      // The answer begins only when the question has ended.
      if guest.stack.status(of: connection)?.isAtEnd == true {
        sent = (sent ?? 0) + guest.write(connection, answer[(sent ?? 0)...])
        if sent == answer.count { guest.stack.finish(connection) }
      }
    }
    let client = HostClient(port: fixture.port)
    #expect(client.send(randomBytes(100_000)))
    client.finish()
    #expect(client.read(answer.count + 1) == answer)
    #expect(try fixture.running.sync { received } == 100_000)
  }

  @Test("a guest that ends its side still gets what the client sends")
  func halfCloseByGuest() throws {
    var received: [UInt8] = []
    let fixture = try UserFixture { guest, connection in
      guest.stack.finish(connection)
      while true {
        let bytes = guest.read(connection)
        if bytes.isEmpty { break }
        received += bytes
      }
    }
    let client = HostClient(port: fixture.port)
    #expect(client.read(1) == [])
    let bytes = randomBytes(500_000)
    #expect(client.send(bytes))
    client.finish()
    #expect(try fixture.running.wait { received.count == bytes.count })
    #expect(try fixture.running.sync { received } == bytes)
  }

  @Test("a reset by the guest resets the client")
  func resetByGuest() throws {
    let fixture = try UserFixture { guest, connection in
      if !guest.read(connection).isEmpty { guest.stack.abort(connection) }
    }
    let client = HostClient(port: fixture.port)
    #expect(client.send([1]))
    #expect(client.read(1) == nil)
    #expect(errno == ECONNRESET)
  }

  @Test("a reset by the client resets the guest's connection")
  func resetByClient() throws {
    let fixture = try UserFixture { _, _ in }
    var client: HostClient? = HostClient(port: fixture.port)
    #expect(client!.send([1]))
    #expect(try fixture.running.wait { fixture.guest.connections.count == 1 })
    client!.reset()
    client = nil
    let isReset = try fixture.running.wait {
      fixture.guest.stack.status(of: fixture.guest.connections[0])?.failure == .reset
    }
    #expect(isReset)
  }

  @Test("a guest port where nobody listens resets the client")
  func refused() throws {
    let fixture = try UserFixture(starting: false)
    let port = try fixture.running.sync {
      let backend = try UserNetworkBackend(
        publishing: [PublishedPort(hostPort: 0, guestPort: 81)], loop: fixture.running.loop)
      let guest = GuestSide(backend, loop: fixture.running.loop, features: allOffloads)
      guest.start()
      fixture.guest.program = { _, _ in withExtendedLifetime(guest) {} }
      return backend.hostPorts[0]
    }
    let client = HostClient(port: port)
    #expect(client.read(1) == nil)
    #expect(errno == ECONNRESET)
  }

  @Test("a guest that does not read holds the client back, and nothing is lost")
  func backPressureByGuest() throws {
    var isReading = false
    var received = 0
    let fixture = try UserFixture { guest, connection in
      while isReading {
        let count = guest.read(connection).count
        if count == 0 { break }
        received += count
      }
    }
    let client = HostClient(port: fixture.port, sendBuffer: 65_536)
    let chunk = randomBytes(65_536)
    let sent = client.sendUntilFull(chunk, limit: 64 << 20)
    #expect(sent < 32 << 20)
    try fixture.running.sync {
      isReading = true
      fixture.guest.program(fixture.guest, fixture.guest.connections[0])
      fixture.guest.wake()
    }
    #expect(try fixture.running.wait { received == sent })
  }

  @Test("a client that does not read holds the guest back, and nothing is lost")
  func backPressureByClient() throws {
    let bytes = randomBytes(24 << 20)
    var sent = 0
    let fixture = try UserFixture { guest, connection in
      while sent < bytes.count {
        let count = guest.write(connection, bytes[sent..<min(sent + 65_536, bytes.count)])
        if count == 0 { return }
        sent += count
      }
      guest.stack.finish(connection)
    }
    let client = HostClient(port: fixture.port, receiveBuffer: 65_536)
    // Wait until nothing moves any more.
    var last = -1
    while true {
      usleep(100_000)
      let now = try fixture.running.sync { sent }
      if now == last { break }
      last = now
    }
    #expect(last > 0)
    #expect(last < bytes.count)
    #expect(client.read(bytes.count + 1) == bytes)
  }

  @Test("a client that comes before the guest waits for it")
  func earlyClient() throws {
    let fixture = try UserFixture(starting: false, addressing: .dhcp)
    let client = HostClient(port: fixture.port)
    #expect(client.send([5]))
    usleep(50_000)
    try fixture.running.sync { fixture.guest.start() }
    let begin = Date()
    #expect(client.read(1) == [5])
    #expect(Date().timeIntervalSince(begin) < 3)
  }

  @Test("a card whose driver is there before its programs makes clients wait, not fail")
  func lateListener() throws {
    let running = try RunningLoop()
    let card = FakeCard()
    let (backend, port) = try running.sync {
      let backend = try UserNetworkBackend(publishing: [PublishedPort(hostPort: 0, guestPort: 80)], loop: running.loop)
      backend.start(receiver: card, features: .none)
      return (backend, backend.hostPorts[0])
    }
    defer { running.stop(before: backend) }
    let client = HostClient(port: port)
    #expect(client.send([9]))
    // The guest does not even answer ARP for a while.
    #expect(try running.wait { card.received.contains { $0.frame.count >= 42 && $0.frame[12..<14] == [8, 6] } })
    usleep(100_000)
    let guest = try running.sync {
      let guest = GuestSide(backend, loop: running.loop, features: .none)
      try guest.listen(80)
      guest.program = GuestPrograms.echo()
      card.onDeliver = guest.card.onDeliver
      guest.attachWithoutRestart()
      return guest
    }
    defer { withExtendedLifetime(guest) {} }
    #expect(client.read(1) == [9])
  }

  @Test("16 clients at a time each get their own bytes")
  func parallel() throws {
    let fixture = try UserFixture()
    let port = fixture.port
    let failures = SharedCounter()
    DispatchQueue.concurrentPerform(iterations: 16) { index in
      let client = HostClient(port: port)
      let bytes = randomBytes(100_000, seed: UInt64(index + 10))
      let thread = Thread {
        _ = client.send(bytes)
        client.finish()
      }
      thread.start()
      if client.read(bytes.count + 1) != bytes { failures.increment() }
    }
    #expect(failures.value == 0)
    #expect(try fixture.running.sync { fixture.guest.connections.count } == 16)
  }

  @Test("many short connections leave nothing behind")
  func churn() throws {
    let fixture = try UserFixture()
    for round in 0..<100 {
      let client = HostClient(port: fixture.port)
      #expect(client.send([UInt8(round)]))
      client.finish()
      #expect(client.read(2) == [UInt8(round)], "errno \(errno)")
    }
    #expect(try fixture.running.wait { fixture.guest.backend.connectionCount == 0 })
  }

  @Test("a reset of the driver resets the clients, and the network comes up again")
  func restart() throws {
    let fixture = try UserFixture()
    let client = HostClient(port: fixture.port)
    #expect(client.send([1]))
    #expect(client.read(1) == [1])
    try fixture.running.sync { fixture.guest.stop() }
    #expect(client.read(1) == nil)
    #expect(errno == ECONNRESET)
    let next = HostClient(port: fixture.port)
    #expect(next.send([2]))
    try fixture.running.sync { fixture.guest.start() }
    #expect(next.read(1) == [2])
  }

  @Test("a guest with few buffers gets everything, only later")
  func fewBuffers() throws {
    let fixture = try UserFixture()
    // Four buffers at a time, refilled every millisecond.
    try fixture.running.sync {
      fixture.guest.card.room = 4
      fixture.guest.refill(to: 4)
    }
    let client = HostClient(port: fixture.port)
    let bytes = randomBytes(400_000)
    let thread = Thread {
      _ = client.send(bytes)
      client.finish()
    }
    thread.start()
    #expect(client.read(bytes.count + 1) == bytes)
  }

  @Test("any bytes may be in the guest's frames", arguments: [UInt64.random(in: 0...UInt64.max)])
  func hostileFrames(seed: UInt64) throws {
    print("hostile frames, seed \(seed)")
    let fixture = try UserFixture()
    var random = SeededGenerator(seed: seed)
    let client = HostClient(port: fixture.port)
    #expect(client.send([1]))
    #expect(client.read(1) == [1])
    try fixture.running.sync {
      for _ in 0..<5000 {
        var frame = (0..<Int.random(in: 14...200, using: &random)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        if random.next() & 3 != 0 {
          // Plausible enough to get further: to the host, IPv4 or ARP, sometimes TCP.
          frame.replaceSubrange(0..<6, with: [0x52, 0x55, 10, 0, 2, 2])
          frame.replaceSubrange(12..<14, with: random.next() & 1 == 0 ? [8, 0] : [8, 6])
          if frame.count > 34 {
            frame.replaceSubrange(14..<15, with: [0x45])
            frame.replaceSubrange(23..<24, with: [[6, 17, 1][Int(random.next() % 3)]])
            frame.replaceSubrange(26..<34, with: [10, 0, 2, 15, 10, 0, 2, 2])
          }
        }
        var header = VirtioNetwork.Header()
        header.flags = UInt8(truncatingIfNeeded: random.next())
        header.segmentation = UInt8(truncatingIfNeeded: random.next())
        header.headerByteCount = UInt16(truncatingIfNeeded: random.next())
        header.segmentByteCount = UInt16(truncatingIfNeeded: random.next())
        header.checksumStart = UInt16(truncatingIfNeeded: random.next())
        header.checksumOffset = UInt16(truncatingIfNeeded: random.next())
        _ = fixture.guest.backend.transmit(frame, header: header)
      }
    }
    #expect(client.send([2]))
    #expect(client.read(1) == [2])
  }

  @Test("a busy host port is refused with a remedy")
  func busyPort() throws {
    let fixture = try UserFixture()
    let port = PublishedPort(hostPort: fixture.port, guestPort: 80)
    #expect(throws: PublishError.portInUse(port)) {
      try fixture.running.sync { try UserNetworkBackend(publishing: [port], loop: fixture.running.loop) }
    }
    #expect(PublishError.portInUse(port).description.contains("publish another host port"))
    let elsewhere = PublishedPort(hostAddress: .ipv4(IPv4Address(192, 0, 2, 77)), hostPort: 0, guestPort: 80)
    #expect(throws: PublishError.addressNotAvailable(elsewhere)) {
      try fixture.running.sync { try UserNetworkBackend(publishing: [elsewhere], loop: fixture.running.loop) }
    }
  }
}
