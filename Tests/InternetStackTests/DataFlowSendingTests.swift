import RandomFixtures
import Testing

@testable import InternetStack

// How much is sent when: windows, Nagle, congestion, offload.
extension DataFlowTests {
  @Test("small windows do not draw small segments (silly window syndrome)")
  func sillyWindow() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted(window: 10_000)
    _ = try peer.stack.write(c.connection, pattern(20_000))
    #expect(peer.poll().map(\.payload.count).reduce(0, +) == 8760)
    #expect(peer.exchange(c.segment(.ack, acknowledging: 8760, window: 100)).isEmpty)
    // The override timer sends what fits.
    #expect(peer.wait(.milliseconds(250)).map(\.segment.payload.count) == [100])
    #expect(peer.exchange(c.segment(.ack, acknowledging: 8860, window: 2000)).map(\.payload.count) == [1460])
  }

  @Test("small writes wait for each other only with Nagle's algorithm", arguments: [true, false])
  func nagle(isOn: Bool) throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    try peer.stack.setCoalescing(c.connection, isOn)
    _ = try peer.stack.write(c.connection, pattern(10))
    #expect(peer.poll().map(\.payload.count) == [10])
    _ = try peer.stack.write(c.connection, pattern(20))
    #expect(peer.poll().map(\.payload.count) == (isOn ? [] : [20]))
    if isOn { #expect(peer.exchange(c.segment(.ack, acknowledging: 10)).map(\.payload.count) == [20]) }
    // The small end of a large write does not wait for its own full segments.
    peer.exchange(c.segment(.ack, acknowledging: 30))
    _ = try peer.stack.write(c.connection, pattern(1500))
    #expect(peer.poll().map(\.payload.count) == [1460, 40])
  }

  @Test(
    "the peer's MSS limits segments; without one it is 536, and nonsense is bounded", arguments: [1000, 0, 1, 9000, -1])
  func segmentSize(mss: Int) throws {
    let peer = ScriptedPeer()
    let listener = try peer.stack.listen(port: 80, backlog: 1)
    let option = mss < 0 ? nil : UInt16(mss)
    let answer = try #require(peer.exchange(TestSegment(sequence: 7, flags: .syn, mss: option)).first)
    peer.exchange(TestSegment(sequence: 8, acknowledgment: answer.sequence &+ 1, flags: .ack))
    let c = try #require(peer.stack.accept(listener))
    _ = try peer.stack.write(c, pattern(3000))
    let expected = [1000: 1000, 0: 536, 1: 64, 9000: 1460, -1: 536][mss]
    #expect(peer.poll().first?.payload.count == expected)
  }

  @Test("the third duplicate acknowledgement repeats the lost segment, partial ones repeat the next, without a timeout")
  func fastRetransmit() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    _ = try peer.stack.write(c.connection, pattern(100_000))
    #expect(peer.poll().count == 10)
    // Segments 1 and 5 are lost: limited transmit sends a new segment on each of the first two duplicates.
    let duplicate = c.segment(.ack)
    #expect(peer.exchange(duplicate).map(\.sequence) == [c.theirs &+ 14_600])
    #expect(peer.exchange(duplicate).map(\.sequence) == [c.theirs &+ 16_060])
    let third = peer.exchange(duplicate)
    #expect(third.first?.sequence == c.theirs)
    #expect(third.first?.payload == pattern(1460))
    let partial = peer.exchange(c.segment(.ack, acknowledging: 4 * 1460))
    #expect(partial.first?.sequence == c.theirs &+ 4 * 1460)
    peer.exchange(c.segment(.ack, acknowledging: 12 * 1460))
    #expect(peer.stack.statistics.fastRetransmits == 1)
    #expect(peer.stack.statistics.retransmissionTimeouts == 0)
    #expect(peer.stack.statistics.segmentsRetransmitted == 2)
  }

  @Test("the congestion window starts with 10 segments, doubles in slow start, halves on loss, falls to 1 on timeout")
  func congestionWindow() {
    let start = SequenceNumber(0)
    var control = CongestionControl(initialSequence: start)
    control.start(segmentSize: 1000, initialSegments: 10)
    control.isLimiting = true
    for index in 1...10 { _ = control.acknowledged(bytes: 1000, upTo: start + index * 1000, flight: 10_000) }
    #expect(control.window == 20_000)
    let una = start + 10_000
    let highest = una + 20_000
    let signals = (0..<3).map { _ in control.duplicate(upTo: una, flight: 20_000, highest: highest) }
    #expect(signals == [false, false, true])
    #expect(control.threshold == 10_000)
    #expect(control.window == 13_000)
    _ = control.acknowledged(bytes: 20_000, upTo: highest, flight: 0)
    #expect(control.window == 2000)  // nothing is in flight: no burst
    for index in 1...8 { _ = control.acknowledged(bytes: 1000, upTo: highest + index * 1000, flight: 5000) }
    #expect(control.window == 10_000)
    // Congestion avoidance: one segment per window.
    for index in 1...10 { _ = control.acknowledged(bytes: 1000, upTo: highest + (8 + index) * 1000, flight: 5000) }
    #expect(control.window == 11_000)
    control.timedOut(flight: 11_000, highest: highest + 40_000, isFirst: true)
    #expect(control.window == 1000)
    #expect(control.threshold == 5500)
    control.isLimiting = false
    control.timedOut(flight: 11_000, highest: highest + 40_000, isFirst: false)
    #expect(control.threshold == 5500)
  }

  @Test("a window that data does not fill does not grow")
  func unusedWindow() {
    var control = CongestionControl(initialSequence: SequenceNumber(0))
    control.start(segmentSize: 1000, initialSegments: 10)
    for index in 1...10 { _ = control.acknowledged(bytes: 1000, upTo: SequenceNumber(0) + index * 1000, flight: 0) }
    #expect(control.window == 10_000)
  }

  @Test("a link that cuts gets one large frame, marked for cutting and for its checksum")
  func segmentationOffload() throws {
    var configuration = StackConfiguration()
    configuration.initialWindowSegments = 100
    let peer = ScriptedPeer(
      configuration: configuration, offload: LinkOffload(transmitChecksum: true, maximumSegmentsPerSend: 64))
    let c = try peer.accepted(scale: 2)
    _ = try peer.stack.write(c.connection, pattern(100_000))
    peer.stack.poll(now: peer.now)
    let frames = peer.host.outbox.frames
    #expect(frames.map(\.bytes.count) == [44 * 1460 + 54, 100_000 - 44 * 1460 + 54])
    let metadata = FrameMetadata(
      needsChecksum: true, checksumStart: 34, checksumOffset: 16, gsoSize: 1460, headerLength: 54)
    #expect(frames.allSatisfy { $0.metadata == metadata })
    // The field holds the sum of the pseudo header: completing it as a link does gives a right checksum.
    var tcp = Array(frames[0].bytes[34...])
    tcp.replaceSubrange(16..<18, with: bigEndian(onesComplement(tcp)))
    let pseudo = Array(frames[0].bytes[26..<34]) + [0, 6] + bigEndian(UInt16(tcp.count))
    #expect(onesComplement(pseudo + tcp) == 0)
  }

  @Test("a merged frame with a checksum marked valid is taken whole and acknowledged at once")
  func mergedFrame() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    var frame = c.segment(.ack, pattern(40_000)).frame(
      from: (peer.hardware, peer.address), to: (peer.host.hardwareAddress, peer.host.address))
    frame[34 + 16] ^= 0xFF
    peer.receive(frame)
    #expect(peer.stack.statistics.badChecksums == 1)
    peer.receive(frame, metadata: FrameMetadata(checksumIsValid: true, gsoSize: 1460))
    #expect(peer.poll().map(\.acknowledgment) == [c.mine &+ 40_000])
    #expect(try peer.stack.read(c.connection) == pattern(40_000))
    peer.receive(frame, metadata: FrameMetadata(needsChecksum: true, gsoSize: 1460))
    #expect(peer.stack.statistics.badChecksums == 1)
  }

  @Test("a full link loses nothing: what it refused is sent later, without a retransmission")
  func fullLink() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    peer.host.outbox.limit = 3
    _ = try peer.stack.write(c.connection, pattern(10_000))
    var received: [UInt8] = []
    var polls = 0
    while received.count < 10_000, polls < 10 {
      for segment in peer.poll() { received += segment.payload }
      polls += 1
      if received.count < 10_000 { #expect(peer.stack.nextDeadline == peer.now + .milliseconds(1)) }
      peer.now = peer.now + .milliseconds(1)
    }
    #expect(received == pattern(10_000))
    #expect(polls == 3)
    #expect(peer.stack.statistics.linkFull == 2)
    #expect(peer.stack.statistics.segmentsRetransmitted == 0)
  }

  @Test("an ICMP report of a smaller MTU makes segments smaller; one about unknown data is ignored")
  func pathMTU() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    _ = try peer.stack.write(c.connection, pattern(2920))
    #expect(peer.poll().map(\.payload.count) == [1460, 1460])
    func report(about sequence: UInt32, code: UInt8) {
      let quoted = c.segment(.ack).frame(
        from: (peer.host.hardwareAddress, peer.host.address), to: (peer.hardware, peer.address))
      var packet = Array(quoted[14..<42])
      packet.replaceSubrange(20..<22, with: bigEndian(c.stackPort))
      packet.replaceSubrange(22..<24, with: bigEndian(c.peerPort))
      packet.replaceSubrange(24..<28, with: bigEndian(sequence))
      var message: [UInt8] = [3, code, 0, 0, 0, 0] + bigEndian(UInt16(1000)) + packet
      message.replaceSubrange(2..<4, with: bigEndian(onesComplement(message)))
      peer.receive(
        ipv4Frame(
          from: (peer.hardware, peer.address), to: (peer.host.hardwareAddress, peer.host.address), protocolNumber: 1,
          payload: message))
    }
    report(about: c.theirs &+ 5000, code: 4)
    #expect(peer.poll().isEmpty)
    report(about: c.theirs, code: 4)
    #expect(peer.poll().map(\.payload.count) == [960, 960, 960, 40])
    report(about: c.theirs, code: 3)
    #expect(peer.stack.state(of: c.connection) == .established)
  }

  @Test("changes of connections are told once each")
  func events() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    #expect(peer.stack.nextChangedConnection() == c.connection)
    #expect(peer.stack.nextChangedConnection() == nil)
    peer.exchange(c.segment(.ack, [1]))
    peer.exchange(c.segment(.ack, [2], at: 1))
    #expect(peer.stack.nextChangedConnection() == c.connection)
    #expect(peer.stack.nextChangedConnection() == nil)
  }
}
