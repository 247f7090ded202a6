import RandomFixtures
import Testing

@testable import InternetStack

@Suite("DHCP client and server") struct DHCPTests {
  private static let serverAddress = IPv4Address(10, 0, 2, 2)

  private func makeServer(count: Int = 4, leaseSeconds: UInt32 = 3600) throws -> Host {
    let server = Host(number: 2, addressing: .manual(address: Self.serverAddress, prefixLength: 24, gateway: nil))
    try server.stack.serveDHCP(
      DHCPServerConfiguration(
        firstAddress: IPv4Address(10, 0, 2, 15), count: count, router: server.address,
        nameServer: IPv4Address(10, 0, 2, 3), leaseSeconds: leaseSeconds))
    return server
  }

  private func makePair(leaseSeconds: UInt32 = 3600) throws -> (SimulatedNetwork, server: Host, client: Host) {
    let server = try makeServer(leaseSeconds: leaseSeconds)
    let client = Host(number: 15, addressing: .dhcp)
    return (SimulatedNetwork([server, client]), server, client)
  }

  /// The DHCP message in a frame.
  private func message(_ frame: Frame) -> DHCPMessage? {
    guard frame.bytes.count >= 42 + 240, frame.bytes[23] == 17, frame.bytes[37] == 67 || frame.bytes[37] == 68 else {
      return nil
    }
    return frame.bytes.withUnsafeBytes {
      DHCPMessage(parsing: PacketBytes(UnsafeRawBufferPointer(rebasing: $0[42...])))
    }
  }

  @Test("a client gets an address within four messages")
  func lease() throws {
    let (network, server, client) = try makePair()
    #expect(network.run(limit: .seconds(1)) { client.stack.isConfigured })
    #expect(client.stack.address == IPv4Address(10, 0, 2, 15))
    #expect(client.stack.lease?.interface.gateway == Self.serverAddress)
    #expect(client.stack.lease?.nameServer == IPv4Address(10, 0, 2, 3))
    #expect(client.stack.lease?.server == Self.serverAddress)
    #expect(client.stack.interface?.prefixLength == 24)
    #expect(server.stack.leasedAddress(of: client.hardwareAddress) == client.stack.address)
    #expect(network.now < Instant(nanoseconds: 1_010_000_000))
    let connection = try server.stack.connect(to: Endpoint(address: client.address, port: 80), now: network.now)
    #expect(network.run(limit: .seconds(1)) { server.stack.status(of: connection)?.failure == .refused })
  }

  @Test("a link that is full at start costs milliseconds, not the seconds of a lost message")
  func fullLink() throws {
    let (network, _, client) = try makePair()
    client.outbox.limit = 0
    network.run(for: .milliseconds(100))
    client.outbox.limit = .max
    #expect(network.run(limit: .milliseconds(50)) { client.stack.isConfigured })
    // The same for ARP.
    client.outbox.limit = 0
    let connection = try client.stack.connect(to: Endpoint(address: Self.serverAddress, port: 1), now: network.now)
    network.run(for: .milliseconds(100))
    client.outbox.limit = .max
    #expect(network.run(limit: .milliseconds(50)) { client.stack.status(of: connection)?.failure == .refused })
  }

  @Test("ten seconds without an answer are told once, while the client goes on asking; so is what comes later")
  func unanswered() throws {
    let client = Host(number: 15, addressing: .dhcp)
    let network = SimulatedNetwork([client])
    var requests: [Instant] = []
    network.filter = { frame, _ in
      if message(frame) != nil { requests.append(network.now) }
      return true
    }
    var watch = AddressWatch()
    var told: [(event: AddressWatch.Event, seconds: Double)] = []
    let start = network.now
    func run(_ milliseconds: Int) {
      for _ in 0..<milliseconds / 50 {
        network.run(for: .milliseconds(50))
        let due = watch.nextDeadline
        guard let event = watch.look(client.stack.address, now: network.now) else { continue }
        told.append((event, Double(network.now.nanoseconds - start.nanoseconds) / 1e9))
        // It is told when its time has come and not before.
        if event == .missing { #expect(due.map { $0 <= network.now } == true) }
      }
    }
    run(9_900)
    #expect(told.isEmpty)
    run(200)
    #expect(told.map(\.event) == [.missing])
    run(120_000)
    #expect(told.count == 1, "said once: \(told)")
    let late = requests.filter { $0.nanoseconds > start.nanoseconds + 10_000_000_000 }
    #expect(late.count >= 3, "it goes on asking: \(requests)")
    // A server comes at last, goes with the lease, and is missed again.
    network.hosts.append(try makeServer(leaseSeconds: 100))
    run(66_000)
    #expect(told.map(\.event).last == .acquired(IPv4Address(10, 0, 2, 15)))
    #expect(watch.nextDeadline == nil)
    network.hosts.removeLast()
    run(130_000)
    #expect(told.map(\.event).suffix(2) == [.lost, .missing])
    let times = told.suffix(2).map(\.seconds)
    #expect(abs(times[1] - times[0] - 10) < 0.2, "\(told)")
  }

  @Test("every single message may be lost", arguments: 0..<4)
  func lostMessage(index: Int) throws {
    let (network, _, client) = try makePair()
    var seen = 0
    network.filter = { frame, _ in
      guard message(frame) != nil else { return true }
      seen += 1
      return seen - 1 != index
    }
    #expect(network.run(limit: .seconds(10)) { client.stack.isConfigured })
    #expect(client.stack.address == IPv4Address(10, 0, 2, 15))
    #expect(network.now > Instant(nanoseconds: 3_900_000_000))
    #expect(network.now < Instant(nanoseconds: 6_100_000_000))
  }

  @Test("an address is got through 50 % loss", arguments: 1...5)
  func heavyLoss(seed: Int) throws {
    let (network, _, client) = try makePair()
    network.random = SeededGenerator(seed: UInt64(seed))
    network.lossPermille = 500
    #expect(network.run(limit: .seconds(1000)) { client.stack.isConfigured })
  }

  @Test("without a server discovery is repeated after 4, 8, 16, 32, 64, 64 seconds, each varied by one at most")
  func backoff() throws {
    let client = Host(number: 15, addressing: .dhcp)
    let network = SimulatedNetwork([client])
    var times: [Double] = []
    network.filter = { frame, _ in
      #expect(message(frame)?.kind == .discover)
      #expect(Array(frame.bytes[26..<34]) == [0, 0, 0, 0, 255, 255, 255, 255])
      times.append(Double(network.now.nanoseconds) / 1e9)
      return true
    }
    network.run(for: .seconds(250))
    #expect(times.count == 7)
    let waits = zip(times.dropFirst(), times).map { $0 - $1 }
    for (wait, expected) in zip(waits, [4.0, 8, 16, 32, 64, 64]) { #expect(abs(wait - expected) <= 1.001) }
    #expect(Set(waits.map { $0 - $0.rounded() }).count > 1, "the waits must vary")
  }

  @Test("a refusal (NAK) starts discovery again")
  func refusal() throws {
    let (network, server, client) = try makePair()
    var kinds: [DHCPMessage.Kind] = []
    var refused = false
    network.filter = { frame, from in
      guard let message = message(frame) else { return true }
      kinds.append(message.kind)
      if message.kind == .request, !refused {
        refused = true
        // Another client takes the address between offer and request.
        var thief = DHCPMessage(
          isReply: false, kind: .request, transaction: 1, hardwareAddress: MACAddress(2, 0, 0, 0, 0, 77))
        thief.requestedAddress = IPv4Address(10, 0, 2, 15)
        server.stack.dhcpServer = DHCPServer(
          configuration: DHCPServerConfiguration(firstAddress: IPv4Address(10, 0, 2, 15), count: 2),
          interface: server.stack.interface!)
        _ = server.stack.dhcpServer?.respond(to: thief, now: network.now)
      }
      return true
    }
    #expect(network.run(limit: .seconds(10)) { client.stack.isConfigured })
    #expect(kinds == [.discover, .offer, .request, .refuse, .discover, .offer, .request, .acknowledge])
    #expect(client.stack.address == IPv4Address(10, 0, 2, 16))
  }

  @Test("a lease is renewed at half its time, by unicast, and connections go on")
  func renewal() throws {
    let (network, _, client) = try makePair(leaseSeconds: 1000)
    #expect(network.run(limit: .seconds(1)) { client.stack.isConfigured })
    let start = network.now
    var requests: [(time: UInt64, isBroadcast: Bool, from: IPv4Address)] = []
    network.filter = { frame, _ in
      if let message = message(frame), message.kind == .request {
        requests.append(
          (
            (network.now.nanoseconds - start.nanoseconds + 500_000_000) / 1_000_000_000, frame.bytes[0] == 255,
            message.clientAddress
          ))
      }
      return true
    }
    network.run(for: .seconds(1200))
    #expect(requests.map(\.time) == [500, 1000])
    #expect(requests.allSatisfy { !$0.isBroadcast && $0.from == IPv4Address(10, 0, 2, 15) })
    #expect(client.stack.isConfigured)
  }

  @Test("when the server is gone the lease is renewed, then rebound by broadcast, then the address is given up")
  func expiry() throws {
    let (network, _, client) = try makePair(leaseSeconds: 1000)
    #expect(network.run(limit: .seconds(1)) { client.stack.isConfigured })
    let listener = try client.stack.listen(port: 80, backlog: 1)
    let start = network.now
    var broadcasts: [UInt64] = []
    var unicasts: [UInt64] = []
    network.filter = { frame, _ in
      guard let message = message(frame) else { return true }
      let time = (network.now.nanoseconds - start.nanoseconds + 100_000_000) / 1_000_000_000
      if message.kind == .request {
        if frame.bytes[0] == 255 { broadcasts.append(time) } else { unicasts.append(time) }
      }
      return false
    }
    network.run(for: .seconds(990))
    #expect(unicasts == [500, 687, 781, 841])
    #expect(broadcasts == [875, 937])
    #expect(client.stack.isConfigured)
    let connection = try client.stack.connect(to: Endpoint(address: Self.serverAddress, port: 1), now: network.now)
    network.run(for: .seconds(11))
    #expect(!client.stack.isConfigured)
    #expect(client.stack.status(of: connection)?.failure != nil)
    #expect(throws: NetworkError.notConfigured) {
      try client.stack.connect(to: Endpoint(address: Self.serverAddress, port: 1), now: network.now)
    }
    // The server is back: the same address again, and the listener still listens.
    network.filter = nil
    #expect(network.run(limit: .seconds(200)) { client.stack.isConfigured })
    let again = try network.hosts[0].stack.connect(to: Endpoint(address: client.address, port: 80), now: network.now)
    var accepted: Connection?
    #expect(
      network.run(limit: .seconds(5)) {
        accepted = client.stack.accept(listener)
        return accepted != nil
      })
    #expect(network.hosts[0].stack.state(of: again) == .established)
  }

  @Test("answers to somebody else, with another transaction, or unasked do not configure")
  func strayAnswers() {
    let hardware = MACAddress(2, 0, 0, 0, 0, 15)
    let now = Instant(nanoseconds: 1)
    var client = DHCPClient(firstTransaction: 100)
    var offer = DHCPMessage(isReply: true, kind: .offer, transaction: 100, hardwareAddress: hardware)
    offer.yourAddress = IPv4Address(10, 0, 2, 15)
    offer.server = Self.serverAddress
    // Nothing was asked yet.
    #expect(client.receive(offer, hardwareAddress: hardware, now: now) == .none)
    #expect(client.state == .selecting)
    guard
      case .send(let discover, to: .broadcast) = client.poll(
        now: now, hardwareAddress: hardware, configuration: StackConfiguration(), random: 1)
    else {
      Issue.record("no discovery")
      return
    }
    offer.transaction = discover.transaction &+ 1
    _ = client.receive(offer, hardwareAddress: hardware, now: now)
    offer.transaction = discover.transaction
    offer.hardwareAddress = MACAddress(2, 0, 0, 0, 0, 16)
    _ = client.receive(offer, hardwareAddress: hardware, now: now)
    offer.hardwareAddress = hardware
    offer.yourAddress = .broadcast
    _ = client.receive(offer, hardwareAddress: hardware, now: now)
    #expect(client.state == .selecting)
    offer.yourAddress = IPv4Address(10, 0, 2, 15)
    _ = client.receive(offer, hardwareAddress: hardware, now: now)
    #expect(client.state == .requesting)
    var acknowledgment = offer
    acknowledgment.kind = .acknowledge
    acknowledgment.leaseSeconds = 10
    acknowledgment.yourAddress = IPv4Address(10, 0, 2, 99)
    #expect(client.receive(acknowledgment, hardwareAddress: hardware, now: now) == .none)
    acknowledgment.yourAddress = offer.yourAddress
    acknowledgment.subnetMask = IPv4Address(255, 255, 0, 0)
    #expect(
      client.receive(acknowledgment, hardwareAddress: hardware, now: now)
        == .configure(InterfaceAddress(address: offer.yourAddress, prefixLength: 16)))
  }

  @Test("the pool is bounded; released, expired and unclaimed addresses are given out again")
  func pool() throws {
    let interface = InterfaceAddress(address: Self.serverAddress, prefixLength: 24)
    // The server's own address lies in the pool and must be left out.
    var server = DHCPServer(
      configuration: DHCPServerConfiguration(firstAddress: IPv4Address(10, 0, 2, 1), count: 3, leaseSeconds: 100),
      interface: interface)
    var now = Instant(nanoseconds: 0)
    func ask(_ kind: DHCPMessage.Kind, _ client: UInt8, _ change: (inout DHCPMessage) -> Void = { _ in })
      -> DHCPMessage?
    {
      var message = DHCPMessage(
        isReply: false, kind: kind, transaction: 1, hardwareAddress: MACAddress(2, 0, 0, 0, 0, client))
      change(&message)
      return server.respond(to: message, now: now)
    }
    func obtain(_ client: UInt8) -> IPv4Address? {
      guard let offer = ask(.discover, client) else { return nil }
      let answer = ask(.request, client) {
        $0.requestedAddress = offer.yourAddress
        $0.server = offer.server
      }
      return answer?.kind == .acknowledge ? answer?.yourAddress : nil
    }
    #expect(obtain(1) == IPv4Address(10, 0, 2, 1))
    #expect(obtain(2) == IPv4Address(10, 0, 2, 3))
    #expect(obtain(1) == IPv4Address(10, 0, 2, 1))
    #expect(obtain(3) == nil)
    _ = ask(.release, 2) { $0.clientAddress = IPv4Address(10, 0, 2, 3) }
    // An offer that is never taken up blocks its address for a minute.
    #expect(ask(.discover, 4)?.yourAddress == IPv4Address(10, 0, 2, 3))
    #expect(obtain(3) == nil)
    now = now + .seconds(61)
    #expect(obtain(3) == IPv4Address(10, 0, 2, 3))
    now = now + .seconds(60)
    // The first client's lease has expired; it asks for it again as one that restarts does.
    #expect(ask(.request, 1) { $0.requestedAddress = IPv4Address(10, 0, 2, 1) }?.kind == .acknowledge)
    #expect(ask(.request, 5) { $0.requestedAddress = IPv4Address(10, 0, 2, 1) }?.kind == .refuse)
    #expect(ask(.request, 5) { $0.requestedAddress = IPv4Address(192, 168, 0, 1) }?.kind == .refuse)
    // Another server was chosen.
    #expect(ask(.request, 1) { $0.server = IPv4Address(10, 0, 2, 9) } == nil)
    // A declined address is set aside.
    _ = ask(.decline, 3) { $0.requestedAddress = IPv4Address(10, 0, 2, 3) }
    #expect(obtain(3) == nil)
    let inform = ask(.inform, 7) { $0.clientAddress = IPv4Address(10, 0, 2, 200) }
    #expect(inform?.kind == .acknowledge && inform?.leaseSeconds == nil && inform?.yourAddress == .unspecified)
  }
}
