import Testing

@testable import InternetStack

@Suite("ARP, IPv4, ICMP, UDP") struct LinkAndDatagramTests {
  private func send(_ host: Host, _ socket: UDPSocket, to: Endpoint, _ text: [UInt8], _ now: Instant) throws {
    try text.withUnsafeBytes { try host.stack.sendUDP(socket, to: to, from: $0, now: now) }
  }

  private func receive(_ host: Host, _ socket: UDPSocket, limit: Int = 2000) throws -> (ReceivedDatagram, [UInt8])? {
    var buffer = [UInt8](repeating: 0, count: limit)
    guard let datagram = try buffer.withUnsafeMutableBytes({ try host.stack.receiveUDP(socket, into: $0) }) else {
      return nil
    }
    return (datagram, Array(buffer[..<datagram.count]))
  }

  /// The ARP operations in what a host has sent, with their targets.
  private func arps(_ host: Host) -> [String] {
    defer { host.outbox.frames.removeAll() }
    return host.outbox.frames.compactMap { frame -> String? in
      guard frame.bytes[12] == 8, frame.bytes[13] == 6 else { return nil }
      let target = IPv4Address(frame.bytes[38], frame.bytes[39], frame.bytes[40], frame.bytes[41])
      let isBroadcast = frame.bytes[..<6] == [255, 255, 255, 255, 255, 255]
      return "\(frame.bytes[21] == 1 ? "request" : "reply") \(target)\(isBroadcast ? "" : " unicast")"
    }
  }

  @Test("a datagram waits for ARP, arrives, and is answered without another request")
  func datagram() throws {
    let (a, b) = (Host(number: 1), Host(number: 2))
    let network = SimulatedNetwork([a, b])
    network.run(for: .milliseconds(10))
    #expect(a.stack.statistics.arpRequestsSent == 1)  // the announcement
    let client = try a.stack.openUDP(port: nil)
    let server = try b.stack.openUDP(port: 7)
    try send(a, client, to: Endpoint(address: b.address, port: 7), pattern(1000), network.now)
    network.run(for: .milliseconds(10))
    let (datagram, bytes) = try #require(try receive(b, server))
    #expect(bytes == pattern(1000))
    #expect(datagram.source == Endpoint(address: a.address, port: a.stack.port(of: client)!))
    #expect(datagram.destination == b.address)
    try send(b, server, to: datagram.source, [1, 2, 3], network.now)
    network.run(for: .milliseconds(10))
    #expect(try receive(a, client, limit: 2)?.0.isTruncated == true)
    #expect(try receive(a, client)?.0 == nil)
    #expect(a.stack.statistics.arpRequestsSent == 2)
    #expect(b.stack.statistics.arpRequestsSent == 1)
  }

  @Test("an address is announced once it is configured")
  func announcement() {
    let host = Host(number: 1)
    #expect(host.stack.nextDeadline != nil)
    host.stack.poll(now: Instant(nanoseconds: 1))
    #expect(arps(host) == ["request 10.0.0.1"])
    #expect(host.stack.nextDeadline == nil)
  }

  @Test("ARP asks once a second, four times, then gives up for three seconds")
  func unanswered() throws {
    let peer = ScriptedPeer()
    let nobody = IPv4Address(10, 0, 0, 77)
    let connection = try peer.stack.connect(to: Endpoint(address: nobody, port: 1), now: peer.now)
    let socket = try peer.stack.openUDP(port: 9)
    // More datagrams than are kept.
    var refused = 0
    for _ in 0..<12 {
      do { try send(peer.host, socket, to: Endpoint(address: nobody, port: 1), [1], peer.now) } catch {
        #expect(error as? NetworkError == .busy)
        refused += 1
      }
    }
    #expect(refused == 4)
    var asked: [UInt64] = []
    for tenth in 0..<60 as Range<UInt64> {
      peer.stack.poll(now: peer.now)
      if arps(peer.host).contains("request 10.0.0.77") { asked.append(tenth) }
      peer.now = peer.now + .milliseconds(100)
    }
    #expect(asked == [0, 10, 20, 30])
    #expect(peer.stack.status(of: connection)?.failure == .hostUnreachable)
    #expect(peer.stack.statistics.unresolvedDropped == 12)
    #expect(throws: NetworkError.unreachable(nobody)) {
      try peer.stack.connect(to: Endpoint(address: nobody, port: 1), now: peer.now)
    }
    peer.now = peer.now + .seconds(3)
    _ = try peer.stack.connect(to: Endpoint(address: nobody, port: 1), now: peer.now)
    #expect(arps(peer.host) == ["request 10.0.0.77"])
  }

  @Test("datagrams kept for ARP go out when the answer comes")
  func parked() throws {
    let peer = ScriptedPeer()
    let other = (MACAddress(2, 0, 0, 0, 0, 78), IPv4Address(10, 0, 0, 78))
    let socket = try peer.stack.openUDP(port: 9)
    for byte in UInt8(1)...3 {
      try send(peer.host, socket, to: Endpoint(address: other.1, port: 1), [byte], peer.now)
    }
    peer.host.outbox.frames.removeAll()
    peer.receive(arpFrame(operation: 2, from: other, target: peer.host.address, to: peer.host.hardwareAddress))
    #expect(peer.host.outbox.frames.map { $0.bytes.last! } == [1, 2, 3])
    #expect(peer.host.outbox.frames.allSatisfy { Array($0.bytes[..<6]) == other.0.bytes })
  }

  @Test("a neighbour is confirmed by unicast before its entry ends, and asked anew after")
  func expiry() throws {
    let peer = ScriptedPeer()
    let socket = try peer.stack.openUDP(port: 9)
    let target = Endpoint(address: peer.address, port: 1)
    try send(peer.host, socket, to: target, [1], peer.now)
    #expect(arps(peer.host).isEmpty)
    peer.now = peer.now + .seconds(275)
    try send(peer.host, socket, to: target, [1], peer.now)
    #expect(arps(peer.host) == ["request 10.0.0.99 unicast"])
    peer.now = peer.now + .seconds(30)
    try send(peer.host, socket, to: target, [1], peer.now)
    #expect(arps(peer.host) == ["request 10.0.0.99"])
  }

  @Test("ARP answers for its own address only, learns from those who ask it, and from nobody else")
  func answers() {
    let peer = ScriptedPeer()
    let stranger = (MACAddress(2, 0, 0, 0, 0, 50), IPv4Address(10, 0, 0, 50))
    peer.receive(arpFrame(operation: 1, from: stranger, target: IPv4Address(10, 0, 0, 51)))
    peer.receive(arpFrame(operation: 2, from: stranger, target: stranger.1))
    #expect(arps(peer.host).isEmpty)
    #expect(!peer.stack.neighbors.entries.contains { $0.address == stranger.1 })
    peer.receive(arpFrame(operation: 1, from: stranger, target: peer.host.address))
    #expect(arps(peer.host) == ["reply 10.0.0.50 unicast"])
    #expect(peer.stack.neighbors.entries.contains { $0.address == stranger.1 })
    // A gratuitous announcement updates what is known.
    let moved = (MACAddress(2, 0, 0, 0, 0, 51), stranger.1)
    peer.receive(arpFrame(operation: 1, from: moved, target: moved.1))
    let entry = peer.stack.neighbors.entries.first { $0.address == stranger.1 }
    #expect(entry?.state == .resolved(moved.0))
    // A probe (sender 0.0.0.0) is answered and teaches nothing.
    peer.receive(arpFrame(operation: 1, from: (moved.0, .unspecified), target: peer.host.address))
    #expect(arps(peer.host).count == 1)
  }

  @Test("the neighbour cache is bounded")
  func cacheLimit() {
    let peer = ScriptedPeer()
    for number in UInt8(1)...200 {
      let station = (MACAddress(2, 0, 0, 0, 1, number), IPv4Address(10, 0, 0, number))
      peer.receive(arpFrame(operation: 1, from: station, target: peer.host.address))
      peer.now = peer.now + .milliseconds(1)
    }
    #expect(peer.stack.neighbors.entries.count == 32)
    #expect(peer.stack.neighbors.entries.contains { $0.address == IPv4Address(10, 0, 0, 200) })
  }

  @Test("a neighbour that loses its place in the cache takes its waiting datagrams with it")
  func eviction() throws {
    let peer = ScriptedPeer()
    let socket = try peer.stack.openUDP(port: 9)
    for number in UInt8(1)...200 where number != 1 && number != 99 {
      let target = Endpoint(address: IPv4Address(10, 0, 0, number), port: 1)
      _ = try? send(peer.host, socket, to: target, [1], peer.now)
      peer.now = peer.now + .milliseconds(1)
    }
    _ = peer.wait(.seconds(10))
    #expect(peer.stack.statistics.unresolvedDropped == 198)
    for _ in 0..<8 {
      try send(peer.host, socket, to: Endpoint(address: IPv4Address(10, 0, 0, 250), port: 1), [1], peer.now)
    }
  }

  @Test("somebody else's claim to our address is counted and answered, at a limited rate")
  func conflict() {
    let peer = ScriptedPeer()
    for _ in 0..<10 {
      peer.receive(arpFrame(operation: 1, from: (peer.hardware, peer.host.address), target: peer.host.address))
    }
    #expect(peer.stack.statistics.addressConflicts == 10)
    #expect(arps(peer.host) == ["request 10.0.0.1", "request 10.0.0.1"])
    #expect(peer.stack.address == IPv4Address(10, 0, 0, 1))
  }

  private func ping(_ payload: [UInt8]) -> [UInt8] {
    var message: [UInt8] = [8, 0, 0, 0, 1, 2, 3, 4] + payload
    message.replaceSubrange(2..<4, with: bigEndian(onesComplement(message)))
    return message
  }

  private func deliver(
    _ peer: ScriptedPeer, protocolNumber: UInt8, _ payload: [UInt8], to: IPv4Address? = nil, fragment: UInt16 = 0x4000
  ) {
    peer.receive(
      ipv4Frame(
        from: (peer.hardware, peer.address), to: (peer.host.hardwareAddress, to ?? peer.host.address),
        protocolNumber: protocolNumber, payload: payload, fragment: fragment))
  }

  @Test("an echo request is answered with its own content, even if the frame is padded", arguments: [0, 1, 56, 1472])
  func echo(length: Int) throws {
    let peer = ScriptedPeer()
    let frame = ipv4Frame(
      from: (peer.hardware, peer.address), to: (peer.host.hardwareAddress, peer.host.address), protocolNumber: 1,
      payload: ping(pattern(length)))
    peer.receive(frame + [UInt8](repeating: 0xEE, count: max(0, 60 - frame.count)))
    let reply = try #require(peer.host.outbox.frames.first?.bytes)
    #expect(reply.count == 42 + length)
    #expect(Array(reply[26..<30]) == peer.host.address.bytes)
    #expect(reply[34] == 0)
    #expect(onesComplement(Array(reply[14..<34])) == 0)
    #expect(onesComplement(Array(reply[34...])) == 0)
    #expect(Array(reply[38...]) == [1, 2, 3, 4] + pattern(length))
  }

  @Test("echo requests that are broadcast, damaged, fragmented, or not for us are not answered")
  func echoRefused() {
    let peer = ScriptedPeer()
    deliver(peer, protocolNumber: 1, ping([1]), to: .broadcast)
    deliver(peer, protocolNumber: 1, ping([1]), to: IPv4Address(10, 0, 0, 255))
    deliver(peer, protocolNumber: 1, ping([1]), to: IPv4Address(10, 0, 0, 3))
    deliver(peer, protocolNumber: 1, ping([1]), fragment: 0x2000)
    deliver(peer, protocolNumber: 1, ping([1]), fragment: 0x0001)
    var bad = ping([1])
    bad[8] ^= 1
    deliver(peer, protocolNumber: 1, bad)
    #expect(peer.host.outbox.frames.isEmpty)
    #expect(peer.stack.statistics.fragmentsDropped == 2)
    #expect(peer.stack.statistics.badChecksums == 1)
  }

  @Test("a datagram to a closed port draws port unreachable, at a limited rate; a broadcast one draws nothing")
  func portUnreachable() throws {
    let peer = ScriptedPeer()
    let datagram = bigEndian(UInt16(5)) + bigEndian(UInt16(6)) + bigEndian(UInt16(12)) + [0, 0, 1, 2, 3, 4]
    deliver(peer, protocolNumber: 17, datagram, to: .broadcast)
    #expect(peer.host.outbox.frames.isEmpty)
    deliver(peer, protocolNumber: 17, datagram)
    let error = try #require(peer.host.outbox.frames.first?.bytes)
    #expect(error[34] == 3 && error[35] == 3)
    #expect(onesComplement(Array(error[34...])) == 0)
    #expect(Array(error[62..<70]) == Array(datagram[..<8]))
    for _ in 0..<50 { deliver(peer, protocolNumber: 17, datagram) }
    #expect(peer.stack.statistics.icmpErrorsSent == 10)
    deliver(peer, protocolNumber: 99, [1, 2, 3])
    peer.now = peer.now + .seconds(1)
    peer.host.outbox.frames.removeAll()
    deliver(peer, protocolNumber: 99, [1, 2, 3])
    #expect(peer.host.outbox.frames.first?.bytes[35] == 2)
  }

  @Test("UDP ports are exclusive, sockets are limited and their buffers bounded; stale handles are told apart")
  func sockets() throws {
    let peer = ScriptedPeer()
    let socket = try peer.stack.openUDP(port: 6)
    #expect(throws: NetworkError.portInUse(6)) { try peer.stack.openUDP(port: 6) }
    #expect(throws: NetworkError.noUsablePort) { try peer.stack.openUDP(port: 0) }
    for _ in 0..<7 { _ = try peer.stack.openUDP(port: nil) }
    #expect(throws: NetworkError.tableFull) { try peer.stack.openUDP(port: nil) }
    let big = [UInt8](repeating: 0, count: 1473)
    #expect(throws: NetworkError.datagramTooLong(maximum: 1472)) {
      try send(peer.host, socket, to: Endpoint(address: peer.address, port: 1), big, peer.now)
    }
    #expect(throws: NetworkError.unreachable(IPv4Address(8, 8, 8, 8))) {
      try send(peer.host, socket, to: Endpoint(address: IPv4Address(8, 8, 8, 8), port: 1), [1], peer.now)
    }
    let datagram = bigEndian(UInt16(5)) + bigEndian(UInt16(6)) + bigEndian(UInt16(1008)) + [0, 0] + pattern(1000)
    for _ in 0..<40 { deliver(peer, protocolNumber: 17, datagram) }
    #expect(peer.stack.statistics.datagramsReceived == 32)
    #expect(peer.stack.statistics.datagramsDropped == 8)
    for _ in 0..<32 { #expect(try receive(peer.host, socket)?.1 == pattern(1000)) }
    #expect(try receive(peer.host, socket)?.0 == nil)
    peer.stack.closeUDP(socket)
    let again = try peer.stack.openUDP(port: 6)
    #expect(throws: NetworkError.unknownSocket) { try receive(peer.host, socket) }
    #expect(peer.stack.port(of: again) == 6)
  }

  @Test("off-link destinations go through the gateway")
  func gateway() throws {
    let host = Host(
      number: 1,
      addressing: .manual(address: IPv4Address(10, 0, 0, 1), prefixLength: 24, gateway: IPv4Address(10, 0, 0, 254)))
    host.stack.poll(now: Instant(nanoseconds: 1))
    host.outbox.frames.removeAll()
    let socket = try host.stack.openUDP(port: 1)
    try send(host, socket, to: Endpoint(address: IPv4Address(8, 8, 8, 8), port: 1), [1], Instant(nanoseconds: 2))
    #expect(arps(host) == ["request 10.0.0.254"])
  }
}
