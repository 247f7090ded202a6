import RandomFixtures
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
    var random = SeededGenerator(seed: UInt64(seed))
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
}
