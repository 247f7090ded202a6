import Testing

@testable import InternetStack

@Suite("TCP data flow, segment by segment") struct DataFlowTests {
  @Test("one small segment is acknowledged after 40 ms, two full ones at once")
  func delayedAcknowledgment() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    #expect(peer.exchange(c.segment(.ack, pattern(100))).isEmpty)
    let late = peer.wait(.milliseconds(100))
    #expect(late.map(\.milliseconds) == [40])
    #expect(late.first?.segment.acknowledgment == c.mine &+ 100)
    #expect(peer.exchange(c.segment(.ack, pattern(1460), at: 100)).isEmpty)
    let sent = peer.exchange(c.segment(.ack, pattern(1460), at: 1560))
    #expect(sent.map(\.acknowledgment) == [c.mine &+ 3020])
    #expect(peer.wait(.milliseconds(100)).isEmpty)
  }

  @Test("a batch of segments given before one poll is acknowledged once; an answer carries the acknowledgement")
  func acknowledgmentPerBatch() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    for index in 0..<6 { peer.give(c.segment(.ack, pattern(1460), at: index * 1460)) }
    #expect(peer.poll().map(\.acknowledgment) == [c.mine &+ 8760])
    peer.give(c.segment(.ack, pattern(10), at: 8760))
    _ = try peer.stack.write(c.connection, pattern(5))
    let answer = peer.poll()
    #expect(answer.map(\.payload) == [pattern(5)])
    #expect(answer.first?.acknowledgment == c.mine &+ 8770)
    #expect(peer.stack.statistics.pureAcknowledgmentsSent == 1)
  }

  @Test("each segment out of order is acknowledged at once, and so is the one that fills the gap")
  func duplicateAcknowledgments() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    for index in 1...3 {
      let sent = peer.exchange(c.segment(.ack, pattern(100, from: index * 100), at: index * 100))
      #expect(sent.map(\.acknowledgment) == [c.mine])
    }
    #expect(peer.exchange(c.segment(.ack, pattern(100))).map(\.acknowledgment) == [c.mine &+ 400])
    #expect(try peer.stack.read(c.connection) == pattern(400))
    // What is old is acknowledged again.
    #expect(peer.exchange(c.segment(.ack, pattern(100))).map(\.acknowledgment) == [c.mine &+ 400])
  }

  @Test("segments in any order, overlapping in any way, are put together rightly", arguments: 1...40)
  func reassembly(seed: Int) throws {
    var random = Random(seed: UInt64(seed))
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    let total = 20_000
    // Pieces that overlap and cover everything, in random order, some given twice.
    var pieces: [(start: Int, end: Int)] = []
    var position = 0
    while position < total {
      let length = 1 + Int(random.next() % 1400)
      pieces.append((max(0, position - Int(random.next() % 300)), min(total, position + length)))
      position += length
    }
    for _ in 0..<10 { pieces.append(pieces[Int(random.next() % UInt64(pieces.count))]) }
    pieces.shuffle(using: &random)
    var acknowledged = c.mine
    var rounds = 0
    // More parts than the stack remembers may get lost; they are sent again, as a sender does.
    while acknowledged != c.mine &+ UInt32(total), rounds < 5 {
      for piece in pieces {
        let payload = pattern(piece.end - piece.start, from: piece.start)
        for segment in peer.exchange(c.segment(.ack, payload, at: piece.start)) {
          acknowledged = segment.acknowledgment
        }
      }
      for sent in peer.wait(.milliseconds(50)) { acknowledged = sent.segment.acknowledgment }
      rounds += 1
    }
    #expect(acknowledged == c.mine &+ UInt32(total))
    #expect(try peer.stack.read(c.connection) == pattern(total), "seed \(seed)")
  }

  @Test("bytes beyond the window are cut off, before and behind it as well")
  func windowEdges() throws {
    var configuration = StackConfiguration()
    configuration.receiveBufferSize = 2048
    let peer = ScriptedPeer(configuration: configuration)
    let c = try peer.accepted()
    // The window announced in the handshake stands; what the buffer cannot hold is dropped all the same.
    peer.exchange(c.segment(.ack, pattern(1400)))
    let full = peer.exchange(c.segment(.ack, pattern(1400, from: 1000), at: 1000))
    #expect(full.last?.acknowledgment == c.mine &+ 2048)
    #expect(full.last?.window == 0)
    #expect(peer.exchange(c.segment(.ack, [9], at: 2048)).map(\.acknowledgment) == [c.mine &+ 2048])
    #expect(try peer.stack.read(c.connection) == pattern(2048))
    let update = peer.poll()
    #expect(update.map(\.window) == [2048])
    #expect(
      peer.exchange(c.segment([.ack, .fin], pattern(100, from: 2048), at: 2048)).first?.acknowledgment == c.mine &+ 2149
    )
    #expect(try peer.stack.read(c.connection) == pattern(100, from: 2048))
  }

  @Test("a request is repeated after 1, 2, 4 ... seconds and then given up")
  func handshakeBackoff() throws {
    let peer = ScriptedPeer()
    let (connection, _) = try peer.requested()
    let sent = peer.wait(.seconds(300))
    #expect(sent.map(\.milliseconds) == [1000, 3000, 7000, 15_000, 31_000, 63_000])
    #expect(sent.allSatisfy { $0.segment.flags == .syn })
    #expect(peer.stack.status(of: connection)?.failure == .timedOut)
  }

  @Test("data is repeated at doubling intervals up to 60 s, and then the connection fails")
  func dataBackoff() throws {
    let peer = ScriptedPeer()
    let (connection, syn) = try peer.requested()
    peer.now = peer.now + .milliseconds(10)
    peer.exchange(
      TestSegment(
        sourcePort: 9000, destinationPort: syn.sourcePort, sequence: 77, acknowledgment: syn.sequence &+ 1,
        flags: [.syn, .ack]))
    _ = try peer.stack.write(connection, pattern(100))
    #expect(peer.poll().count == 1)
    let sent = peer.wait(.seconds(1000))
    // Measured 10 ms with a variation of 5 ms: the minimum of 200 ms holds.
    var expected: [UInt64] = []
    var time: UInt64 = 0
    var interval: UInt64 = 200
    for _ in 0..<12 {
      time += interval
      expected.append(time)
      interval = min(interval * 2, 60_000)
    }
    #expect(sent.map(\.milliseconds) == expected)
    #expect(peer.stack.status(of: connection)?.failure == .timedOut)
  }

  @Test("the timeout follows measured round trips as RFC 6298 computes it")
  func timeoutComputation() {
    var configuration = StackConfiguration()
    configuration.minimumRetransmissionTimeout = .milliseconds(1)
    var timeout = RetransmissionTimeout(configuration: configuration)
    #expect(timeout.current == .seconds(1))
    timeout.measured(.milliseconds(400))
    #expect(timeout.current == .milliseconds(1200))
    timeout.measured(.milliseconds(400))
    #expect(timeout.current == .milliseconds(1000))
    timeout.measured(.milliseconds(800))
    // Variation 150 -> 212.5, smoothed 450.
    #expect(timeout.current == TimeSpan(nanoseconds: 1_300_000_000))
    timeout.backOff()
    #expect(timeout.current == TimeSpan(nanoseconds: 2_600_000_000))
    timeout.measured(TimeSpan(nanoseconds: .max))
    #expect(timeout.current == .seconds(60))
  }

  @Test("a closed window is probed at doubling intervals, and sending resumes when it opens")
  func zeroWindow() throws {
    let peer = ScriptedPeer()
    var c = try peer.accepted(window: 0)
    _ = try peer.stack.write(c.connection, pattern(5000))
    #expect(peer.poll().isEmpty)
    let probes = peer.wait(.seconds(8))
    #expect(probes.map(\.milliseconds) == [200, 600, 1400, 3000, 6200])
    #expect(probes.allSatisfy { $0.segment.payload == pattern(1) && $0.segment.sequence == c.theirs })
    // The peer takes the byte but keeps the window closed: the next byte is probed.
    peer.exchange(c.segment(.ack, acknowledging: 1, window: 0))
    c.theirs &+= 1
    let next = peer.wait(.seconds(60))
    #expect(next.first?.segment.payload == pattern(1, from: 1))
    #expect(peer.stack.state(of: c.connection) == .established)
    let sent = peer.exchange(c.segment(.ack, window: 3000))
    #expect(sent.map(\.payload.count) == [1460, 1460])
    #expect(sent.first?.payload == pattern(1460, from: 1))
  }

  @Test("a window that stays closed is probed for ever as long as the peer answers, and given up if it does not")
  func endlessProbing() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted(window: 0)
    _ = try peer.stack.write(c.connection, pattern(10))
    for _ in 0..<40 {
      #expect(!peer.wait(.seconds(61)).isEmpty)
      peer.exchange(c.segment(.ack, window: 0))
    }
    #expect(peer.stack.state(of: c.connection) == .established)
    _ = peer.wait(.seconds(900))
    #expect(peer.stack.status(of: c.connection)?.failure == .timedOut)
  }

  @Test("a released connection is not kept open for ever by a peer that never opens its window")
  func releasedProbing() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted(window: 0)
    _ = try peer.stack.write(c.connection, pattern(10))
    peer.stack.release(c.connection)
    for _ in 0..<20 {
      _ = peer.wait(.seconds(61))
      peer.exchange(c.segment(.ack, window: 0))
    }
    #expect(peer.stack.tcp.slots.allSatisfy { $0 == nil })
  }

  @Test("a FIN alone is probed into a closed window")
  func finProbe() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted(window: 0)
    peer.stack.finish(c.connection)
    #expect(peer.poll().isEmpty)
    #expect(peer.wait(.milliseconds(300)).map(\.segment.flags) == [[.ack, .fin]])
    peer.exchange(c.segment(.ack, acknowledging: 1, window: 0))
    #expect(peer.stack.state(of: c.connection) == .finWait2)
  }

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
