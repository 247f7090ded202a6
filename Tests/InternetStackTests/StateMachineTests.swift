import Testing

@testable import InternetStack

@Suite("TCP states, segment by segment") struct StateMachineTests {
  @Test("the answer to a SYN carries MSS, and window scaling only if it was offered", arguments: [nil, UInt8(7)])
  func handshakeOptions(scale: UInt8?) throws {
    var configuration = StackConfiguration()
    configuration.receiveBufferSize = 1 << 20
    let peer = ScriptedPeer(configuration: configuration)
    _ = try peer.stack.listen(port: 80, backlog: 1)
    let answer = try #require(peer.exchange(TestSegment(sequence: 1, flags: .syn, mss: 1400, scale: scale)).first)
    #expect(answer.mss == 1460)
    #expect(answer.scale == (scale == nil ? nil : 5))
    #expect(answer.window == 65_535)
    let later = peer.exchange(
      TestSegment(sequence: 2, acknowledgment: answer.sequence &+ 1, flags: [.ack, .psh], payload: [1, 2])
    )
    #expect(later.isEmpty)
    let acknowledgment = try #require(peer.wait(.milliseconds(50)).first?.segment)
    #expect(Int(acknowledgment.window) << Int(answer.scale ?? 0) > (scale == nil ? 65_000 : 1_000_000))
  }

  @Test("an active open sends its request with the options and acknowledges the answer")
  func activeOpen() throws {
    let peer = ScriptedPeer()
    let (connection, syn) = try peer.requested()
    #expect(syn.mss == 1460)
    #expect(syn.scale != nil)
    let sent = peer.exchange(
      TestSegment(
        sourcePort: 9000, destinationPort: syn.sourcePort, sequence: 77, acknowledgment: syn.sequence &+ 1,
        flags: [.syn, .ack], mss: 1000))
    #expect(sent.map(\.flags) == [.ack])
    #expect(sent.first?.acknowledgment == 78)
    #expect(peer.stack.state(of: connection) == .established)
  }

  @Test("data written before the connection is established rides on the handshake's acknowledgement")
  func earlyData() throws {
    let peer = ScriptedPeer()
    let (connection, syn) = try peer.requested()
    _ = try peer.stack.write(connection, pattern(10))
    peer.stack.finish(connection)
    #expect(peer.poll().isEmpty)
    let sent = peer.exchange(
      TestSegment(
        sourcePort: 9000, destinationPort: syn.sourcePort, sequence: 77, acknowledgment: syn.sequence &+ 1,
        flags: [.syn, .ack], mss: 1000))
    #expect(sent.map(\.flags) == [[.ack, .psh, .fin]])
    #expect(sent.first?.payload == pattern(10))
    #expect(peer.stack.state(of: connection) == .finWait1)
  }

  @Test("a request that is refused fails; a wrong acknowledgement of it is reset")
  func refusal() throws {
    let peer = ScriptedPeer()
    let (connection, syn) = try peer.requested()
    var answer = TestSegment(
      sourcePort: 9000, destinationPort: syn.sourcePort, sequence: 5, acknowledgment: syn.sequence, flags: [.syn, .ack])
    let reset = peer.exchange(answer)
    #expect(reset.map(\.flags) == [.rst])
    #expect(reset.first?.sequence == syn.sequence)
    // A reset that does not acknowledge the request is a blind one.
    answer.flags = .rst
    peer.exchange(answer)
    #expect(peer.stack.state(of: connection) == .synSent)
    answer.flags = [.rst, .ack]
    peer.exchange(answer)
    #expect(peer.stack.state(of: connection) == .synSent)
    answer.acknowledgment = syn.sequence &+ 1
    peer.exchange(answer)
    #expect(peer.stack.status(of: connection)?.failure == .refused)
    #expect(throws: NetworkError.connectionFailed(.refused)) { try peer.stack.write(connection, [1]) }
  }

  @Test("a simultaneous open ends in ESTABLISHED", arguments: [false, true])
  func simultaneousOpen(peerRepeatsSyn: Bool) throws {
    let peer = ScriptedPeer()
    let (connection, syn) = try peer.requested()
    var segment = TestSegment(
      sourcePort: 9000, destinationPort: syn.sourcePort, sequence: 300, flags: .syn, mss: 1460, scale: 2)
    let answer = try #require(peer.exchange(segment).first)
    #expect(answer.flags == [.syn, .ack])
    #expect(answer.sequence == syn.sequence)
    #expect(answer.acknowledgment == 301)
    #expect(peer.stack.state(of: connection) == .synReceived)
    if peerRepeatsSyn { #expect(peer.exchange(segment).first?.flags == [.syn, .ack]) }
    segment.flags = [.syn, .ack]
    segment.acknowledgment = syn.sequence &+ 1
    peer.exchange(segment)
    #expect(peer.stack.state(of: connection) == .established)
    _ = try peer.stack.write(connection, pattern(3))
    #expect(peer.poll().first?.payload == pattern(3))
  }

  @Test("a simultaneous close goes through CLOSING to TIME-WAIT")
  func simultaneousClose() throws {
    let peer = ScriptedPeer()
    var c = try peer.accepted()
    peer.stack.finish(c.connection)
    #expect(peer.poll().map(\.flags) == [[.ack, .fin]])
    #expect(peer.stack.state(of: c.connection) == .finWait1)
    let sent = peer.exchange(c.segment([.ack, .fin]))
    #expect(sent.map(\.flags) == [.ack])
    #expect(sent.first?.acknowledgment == c.mine &+ 1)
    #expect(peer.stack.state(of: c.connection) == .closing)
    c.mine &+= 1
    peer.exchange(c.segment(.ack, acknowledging: 1))
    #expect(peer.stack.state(of: c.connection) == .timeWait)
  }

  @Test("two stacks that finish at the same time both end in TIME-WAIT")
  func simultaneousCloseOfStacks() throws {
    let pair = try ConnectedPair()
    pair.client.stack.finish(pair.c)
    pair.server.stack.finish(pair.s)
    pair.network.run(for: .milliseconds(100))
    #expect(pair.client.stack.state(of: pair.c) == .timeWait)
    #expect(pair.server.stack.state(of: pair.s) == .timeWait)
  }

  @Test("after a half close the other side still sends, and FIN rides on the last data")
  func halfClose() throws {
    let peer = ScriptedPeer()
    var c = try peer.accepted()
    peer.exchange(c.segment([.ack, .fin], [1, 2, 3]))
    c.mine &+= 4
    #expect(peer.stack.state(of: c.connection) == .closeWait)
    #expect(try peer.stack.read(c.connection) == [1, 2, 3])
    #expect(peer.stack.status(of: c.connection)?.isAtEnd == true)
    _ = try peer.stack.write(c.connection, pattern(2000))
    #expect(peer.poll().map(\.payload.count) == [1460, 540])
    peer.exchange(c.segment(.ack, acknowledging: 2000))
    _ = try peer.stack.write(c.connection, pattern(10))
    peer.stack.finish(c.connection)
    let last = peer.poll()
    #expect(last.map(\.flags) == [[.ack, .psh, .fin]])
    #expect(peer.stack.state(of: c.connection) == .lastAck)
    #expect(throws: NetworkError.closedForWriting) { try peer.stack.write(c.connection, [1]) }
    peer.exchange(c.segment(.ack, acknowledging: 2011))
    #expect(peer.stack.state(of: c.connection) == .closed)
    #expect(peer.stack.status(of: c.connection)?.failure == nil)
  }

  @Test("a FIN that overtakes data counts only once the data is there")
  func earlyFin() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    let sent = peer.exchange(c.segment([.ack, .fin], pattern(100, from: 100), at: 100))
    #expect(sent.first?.acknowledgment == c.mine)
    #expect(peer.stack.state(of: c.connection) == .established)
    let full = peer.exchange(c.segment(.ack, pattern(100)))
    #expect(full.last?.acknowledgment == c.mine &+ 201)
    #expect(peer.stack.state(of: c.connection) == .closeWait)
    #expect(try peer.stack.read(c.connection) == pattern(200))
  }

  @Test("an abort sends a reset with the exact number")
  func abort() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    _ = try peer.stack.write(c.connection, pattern(100))
    peer.poll()
    peer.stack.abort(c.connection)
    let sent = peer.poll()
    #expect(sent.map(\.flags) == [[.rst, .ack]])
    #expect(sent.first?.sequence == c.theirs &+ 100)
    #expect(peer.stack.status(of: c.connection)?.failure == .aborted)
    #expect(peer.exchange(c.segment(.ack, [1])).map(\.flags) == [.rst])
  }

  @Test("a stale handle is told apart, whatever is done with it")
  func staleHandle() throws {
    let peer = ScriptedPeer()
    let listener = try peer.stack.listen(port: 80, backlog: 4)
    let c = try peer.accepted(listener: listener)
    peer.stack.abort(c.connection)
    peer.stack.release(c.connection)
    peer.poll()
    let d = try peer.accepted(peerPort: 5001, listener: listener)
    for stale in [c.connection, Connection(index: -1, generation: 1), Connection(index: 1 << 40, generation: 1)] {
      #expect(peer.stack.status(of: stale) == nil)
      #expect(throws: NetworkError.unknownConnection) { try peer.stack.write(stale, [1]) }
      #expect(throws: NetworkError.unknownConnection) { try peer.stack.read(stale) }
      peer.stack.finish(stale)
      peer.stack.abort(stale)
      peer.stack.release(stale)
    }
    #expect(peer.stack.state(of: d.connection) == .established)
    peer.stack.close(listener)
    #expect(peer.stack.accept(listener) == nil)
  }

  @Test("a segment for nobody is reset with numbers that its sender accepts")
  func strayed() {
    let peer = ScriptedPeer()
    let withAck = peer.exchange(TestSegment(destinationPort: 1, sequence: 9, acknowledgment: 1234, flags: .ack))
    #expect(withAck.map(\.flags) == [.rst])
    #expect(withAck.first?.sequence == 1234)
    let syn = peer.exchange(TestSegment(destinationPort: 1, sequence: 9, flags: [.syn, .fin], payload: [1, 2]))
    #expect(syn.map(\.flags) == [[.rst, .ack]])
    #expect(syn.first?.acknowledgment == 13)
    #expect(peer.exchange(TestSegment(destinationPort: 1, sequence: 9, flags: .rst)).isEmpty)
  }

  @Test("TIME-WAIT answers a repeated FIN and lasts from then on")
  func timeWait() throws {
    let peer = ScriptedPeer()
    var c = try peer.accepted()
    peer.stack.finish(c.connection)
    peer.poll()
    peer.exchange(c.segment(.ack, acknowledging: 1))
    #expect(peer.stack.state(of: c.connection) == .finWait2)
    let fin = c.segment([.ack, .fin], acknowledging: 1)
    #expect(peer.exchange(fin).map(\.flags) == [.ack])
    c.mine &+= 1
    #expect(peer.wait(.seconds(59)).isEmpty)
    #expect(peer.exchange(fin).map(\.flags) == [.ack])
    #expect(peer.wait(.seconds(59)).isEmpty)
    #expect(peer.stack.state(of: c.connection) == .timeWait)
    #expect(peer.wait(.seconds(2)).isEmpty)
    #expect(peer.stack.state(of: c.connection) == .closed)
  }

  @Test("TIME-WAIT gives way to a new request with a higher number, not to an old duplicate")
  func timeWaitReuse() throws {
    let peer = ScriptedPeer()
    let listener = try peer.stack.listen(port: 80, backlog: 4)
    var c = try peer.accepted(listener: listener)
    peer.stack.finish(c.connection)
    peer.poll()
    peer.exchange(c.segment([.ack, .fin], acknowledging: 1))
    c.mine &+= 1
    #expect(peer.stack.state(of: c.connection) == .timeWait)
    let old = TestSegment(sequence: c.mine &- 1000, flags: .syn)
    let answer = peer.exchange(old)
    #expect(answer.map(\.flags) == [.ack])
    #expect(peer.stack.state(of: c.connection) == .timeWait)
    let new = peer.exchange(TestSegment(sequence: c.mine &+ 1000, flags: .syn))
    #expect(new.map(\.flags) == [[.syn, .ack]])
    #expect(Int32(bitPattern: (new.first?.sequence ?? 0) &- (c.theirs &+ 1)) > 0)
    #expect(peer.stack.state(of: c.connection) == .closed)
  }

  @Test("releasing sends what is queued, then FIN; a peer that goes on sending is reset only afterwards")
  func release() throws {
    let peer = ScriptedPeer()
    var c = try peer.accepted()
    peer.exchange(c.segment(.ack, [1, 2, 3]))
    c.mine &+= 3
    _ = try peer.stack.write(c.connection, pattern(100))
    peer.stack.release(c.connection)
    let sent = peer.poll()
    #expect(sent.map(\.flags) == [[.ack, .psh, .fin]])
    // Data before our data is acknowledged must not destroy it by a reset.
    peer.exchange(c.segment(.ack, [4, 5]))
    c.mine &+= 2
    #expect(peer.exchange(c.segment(.ack, [6])).allSatisfy { !$0.flags.contains(.rst) })
    c.mine &+= 1
    peer.exchange(c.segment(.ack, acknowledging: 101))
    #expect(peer.exchange(c.segment(.ack, [7], acknowledging: 101)).map(\.flags) == [[.rst, .ack]])
    #expect(peer.exchange(c.segment(.ack, [7], acknowledging: 101)).map(\.flags) == [.rst])
  }

  @Test("a released connection does not wait for ever for the peer's FIN")
  func finWait2Timeout() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    peer.stack.release(c.connection)
    peer.poll()
    peer.exchange(c.segment(.ack, acknowledging: 1))
    #expect(peer.wait(.seconds(61)).isEmpty)
    #expect(peer.exchange(c.segment(.ack, acknowledging: 1)).map(\.flags) == [.rst])
    #expect(peer.stack.nextDeadline == nil)
  }
}
