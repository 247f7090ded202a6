import RandomFixtures
import Testing

@testable import InternetStack

@Suite("Hostile frames") struct FuzzTests {
  /// Frames of every protocol as starting points, some of them for an open connection.
  private func seeds(_ peer: ScriptedPeer, _ c: ScriptedPeer.Established) -> [[UInt8]] {
    let from = (peer.hardware, peer.address)
    let to = (peer.host.hardwareAddress, peer.host.address)
    var frames = [
      arpFrame(operation: 1, from: from, target: to.1), arpFrame(operation: 2, from: from, target: to.1, to: to.0),
      ipv4Frame(from: from, to: to, protocolNumber: 1, payload: [8, 0, 0, 0, 1, 2, 3, 4, 5]),
      ipv4Frame(
        from: from, to: to, protocolNumber: 1, payload: [3, 4, 0, 0, 0, 0, 2, 0] + [UInt8](repeating: 0x45, count: 40)),
      ipv4Frame(from: from, to: to, protocolNumber: 17, payload: [0, 5, 0, 6, 0, 12, 0, 0, 1, 2, 3, 4]),
    ]
    let flags: [SegmentFlags] = [.ack, [.ack, .psh], [.ack, .fin], .syn, [.syn, .ack], .rst, [.rst, .ack], []]
    for flag in flags {
      for offset in [0, 1, 100, -1, 3000, 70_000] {
        frames.append(c.segment(flag, pattern(Int(offset & 127)), at: offset).frame(from: from, to: to))
      }
    }
    frames.append(
      TestSegment(sourcePort: 1, sequence: 1, flags: .syn, mss: 1460, scale: 14).frame(from: from, to: to))
    var dhcp = [UInt8](repeating: 0, count: 300)
    dhcp.replaceSubrange(0..<4, with: [2, 1, 6, 0])
    dhcp.replaceSubrange(236..<240, with: [0x63, 0x82, 0x53, 0x63])
    dhcp.replaceSubrange(240..<260, with: [53, 1, 2, 54, 4, 1, 2, 3, 4, 51, 4, 0, 0, 0, 9, 1, 4, 255, 255, 255])
    for (source, destination) in [(UInt16(67), UInt16(68)), (68, 67)] {
      frames.append(
        ipv4Frame(
          from: from, to: (to.0, .broadcast), protocolNumber: 17,
          payload: bigEndian(source) + bigEndian(destination) + bigEndian(UInt16(308)) + [0, 0] + dhcp))
      dhcp[0] = 1
    }
    return frames
  }

  /// Puts the checksums right, so that mutations reach what lies behind them.
  private func repair(_ frame: inout [UInt8]) {
    guard frame.count >= 34, frame[12] == 8, frame[13] == 0 else { return }
    let header = Int(frame[14] & 15) * 4
    guard header >= 20, frame.count >= 14 + header else { return }
    frame.replaceSubrange(24..<26, with: [0, 0])
    frame.replaceSubrange(24..<26, with: bigEndian(onesComplement(Array(frame[14..<14 + header]))))
    let start = 14 + header
    if frame[23] == 1, frame.count >= start + 8 {
      frame.replaceSubrange(start + 2..<start + 4, with: [0, 0])
      frame.replaceSubrange(start + 2..<start + 4, with: bigEndian(onesComplement(Array(frame[start...]))))
    }
  }

  @Test(
    "100,000 mutated frames never trap, and the stack still works afterwards",
    arguments: [Addressing.manual(address: IPv4Address(10, 0, 0, 1), prefixLength: 24, gateway: nil)])
  func mutatedFrames(addressing: Addressing) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("fuzz seed \(seed)")
    var random = SeededGenerator(seed: seed)
    var configuration = StackConfiguration()
    configuration.maximumConnections = 32
    configuration.receiveBufferSize = 4096
    configuration.sendBufferSize = 4096
    let peer = ScriptedPeer(configuration: configuration)
    try peer.stack.serveDHCP(
      DHCPServerConfiguration(firstAddress: IPv4Address(10, 0, 0, 100), count: 16, router: peer.host.address))
    let listener = try peer.stack.listen(port: 80, backlog: 8)
    let socket = try peer.stack.openUDP(port: 6)
    let unconfigured = Host(number: 9, addressing: .dhcp)
    let first = try peer.accepted(listener: listener)
    var connections = [first.connection]
    var frames = seeds(peer, first)
    var buffer = [UInt8](repeating: 0, count: 3000)
    for round in 0..<100_000 {
      var frame = frames[Int(random.next() % UInt64(frames.count))]
      for _ in 0..<Int(random.next() % 4) {
        switch random.next() % 6 {
        case 0: frame.removeLast(Int(random.next() % UInt64(frame.count)))
        case 1: frame += [UInt8](repeating: UInt8(truncatingIfNeeded: random.next()), count: Int(random.next() % 50))
        default:
          // The headers are the interesting part.
          let position = Int(random.next() % UInt64(min(frame.count, 80)))
          let values: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: random.next())]
          frame[position] = values[Int(random.next() % 6)]
        }
        if frame.isEmpty { frame = [0] }
      }
      repair(&frame)
      let metadata = FrameMetadata(
        needsChecksum: random.happens(permille: 400), checksumIsValid: random.happens(permille: 400),
        gsoSize: random.happens(permille: 100) ? UInt16(truncatingIfNeeded: random.next()) : 0)
      peer.receive(frame, metadata: metadata)
      frame.withUnsafeBytes { unconfigured.stack.receive($0, metadata: metadata, now: peer.now) }
      if round % 16 == 0 {
        peer.stack.poll(now: peer.now)
        unconfigured.stack.poll(now: peer.now)
        peer.host.outbox.frames.removeAll()
        unconfigured.outbox.frames.removeAll()
        peer.now = peer.now + .milliseconds(UInt32(random.next() % 200))
      }
      if round % 64 == 0 {
        while let new = peer.stack.accept(listener) { connections.append(new) }
        for connection in connections {
          _ = try? peer.stack.read(connection, limit: 300)
          _ = try? peer.stack.write(connection, pattern(500))
        }
        _ = try? buffer.withUnsafeMutableBytes { try peer.stack.receiveUDP(socket, into: $0) }
        if connections.count > 4 { peer.stack.release(connections.removeFirst()) }
      }
      if round % 1000 == 999 {
        // Fresh connections, so that mutations meet every state.
        for connection in connections { peer.stack.abort(connection) }
        for connection in connections { peer.stack.release(connection) }
        connections = []
        peer.now = peer.now + .seconds(90)
        peer.receive(arpFrame(operation: 1, from: (peer.hardware, peer.address), target: peer.host.address))
        peer.poll()
        if let fresh = try? peer.accepted(peerPort: UInt16(5000 + round / 1000), listener: listener) {
          connections = [fresh.connection]
          frames = seeds(peer, fresh)
        }
      }
    }
    // Everything that was half open times out, and a genuine client is served.
    peer.stack.close(listener)
    for connection in connections { peer.stack.release(connection) }
    _ = peer.wait(.seconds(1000))
    peer.receive(arpFrame(operation: 1, from: (peer.hardware, peer.address), target: peer.host.address))
    peer.poll()
    _ = try peer.accepted(port: 81, peerPort: 4000)
  }

  @Test("frames of random bytes of every length up to 2,000 never trap")
  func randomBytes() {
    let peer = ScriptedPeer()
    var random = SeededGenerator(seed: 5)
    for length in 0..<2000 {
      var frame = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if length > 14 {
        frame.replaceSubrange(0..<14, with: peer.host.hardwareAddress.bytes + peer.hardware.bytes + [8, 0])
      }
      if length > 34 { frame[14] = 0x45 }
      peer.receive(frame)
    }
    #expect(peer.stack.statistics.framesReceived == 2001)
  }
}
