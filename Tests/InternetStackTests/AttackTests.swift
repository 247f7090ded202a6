import Testing

@testable import InternetStack

@Suite("TCP under attack") struct AttackTests {
  /// The states a connection that the peer has requested can be brought to.
  static let states: [ConnectionState] = [
    .synReceived, .established, .finWait1, .finWait2, .closeWait, .closing, .lastAck, .timeWait,
  ]

  /// Brings a connection to `state`; afterwards `mine` and `theirs` are the next numbers of both sides.
  private func bring(_ peer: ScriptedPeer, to state: ConnectionState) throws -> ScriptedPeer.Established {
    if state == .synReceived {
      let (connection, syn) = try peer.requested()
      peer.exchange(TestSegment(sourcePort: 9000, destinationPort: syn.sourcePort, sequence: 300, flags: .syn))
      return ScriptedPeer.Established(
        connection: connection, mine: 301, theirs: syn.sequence &+ 1, stackPort: syn.sourcePort, peerPort: 9000)
    }
    var c = try peer.accepted()
    func peerFinishes(acknowledging: Int) {
      peer.exchange(c.segment([.ack, .fin], acknowledging: acknowledging))
      c.mine &+= 1
    }
    func stackFinishes() {
      peer.stack.finish(c.connection)
      peer.poll()
      c.theirs &+= 1
    }
    switch state {
    case .finWait1: stackFinishes()
    case .finWait2:
      stackFinishes()
      peer.exchange(c.segment(.ack))
    case .closeWait: peerFinishes(acknowledging: 0)
    case .closing:
      stackFinishes()
      peerFinishes(acknowledging: -1)
    case .lastAck:
      peerFinishes(acknowledging: 0)
      stackFinishes()
    case .timeWait:
      stackFinishes()
      peerFinishes(acknowledging: 0)
    default: break
    }
    #expect(peer.stack.state(of: c.connection) == state)
    return c
  }

  @Test("a reset with the exact number ends the connection in every state", arguments: states)
  func exactReset(state: ConnectionState) throws {
    let peer = ScriptedPeer()
    let c = try bring(peer, to: state)
    #expect(peer.exchange(c.segment(.rst)).isEmpty)
    #expect(peer.stack.state(of: c.connection) == .closed)
    let expected: ConnectionFailure? =
      switch state {
      case .synReceived: .refused
      case .established, .finWait1, .finWait2, .closeWait: .reset
      default: nil
      }
    #expect(peer.stack.status(of: c.connection)?.failure == expected)
  }

  @Test("a blind reset inside the window is only questioned, in every state", arguments: states)
  func blindReset(state: ConnectionState) throws {
    let peer = ScriptedPeer()
    let c = try bring(peer, to: state)
    let answer = peer.exchange(c.segment(.rst, at: 100))
    #expect(answer.map(\.flags) == [.ack])
    #expect(answer.first?.acknowledgment == c.mine)
    #expect(answer.first?.sequence == c.theirs)
    #expect(peer.stack.state(of: c.connection) == state)
    #expect(peer.stack.statistics.challengeAcknowledgments == 1)
  }

  @Test("a reset outside the window is ignored, in every state", arguments: states)
  func straysReset(state: ConnectionState) throws {
    let peer = ScriptedPeer()
    let c = try bring(peer, to: state)
    for offset in [-1, -70_000, 200_000, 1 << 30] { #expect(peer.exchange(c.segment(.rst, at: offset)).isEmpty) }
    #expect(peer.stack.state(of: c.connection) == state)
  }

  @Test(
    "a SYN into a connection is only questioned, in every state but those of the handshake",
    arguments: states.filter { $0 != .synReceived && $0 != .timeWait })
  func blindSyn(state: ConnectionState) throws {
    let peer = ScriptedPeer()
    let c = try bring(peer, to: state)
    #expect(peer.exchange(c.segment(.syn, at: 0)).map(\.flags) == [.ack])
    #expect(peer.exchange(c.segment([.syn, .ack], at: 1000)).map(\.flags) == [.ack])
    #expect(peer.stack.state(of: c.connection) == state)
  }

  @Test("data with an acknowledgement of what was never sent, or long ago, is refused with a challenge")
  func wildAcknowledgment() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    #expect(peer.exchange(c.segment(.ack, [1], acknowledging: 1)).map(\.flags) == [.ack])
    #expect(peer.exchange(c.segment(.ack, [1], acknowledging: -70_000)).map(\.flags) == [.ack])
    #expect(peer.stack.statistics.challengeAcknowledgments == 2)
    #expect(peer.stack.status(of: c.connection)?.readableBytes == 0)
    peer.exchange(c.segment(.ack, [1], acknowledging: -60_000))
    #expect(peer.stack.status(of: c.connection)?.readableBytes == 1)
  }

  @Test("challenges are limited to 10 per connection in a burst")
  func challengeLimit() throws {
    let peer = ScriptedPeer()
    let c = try peer.accepted()
    var count = 0
    for _ in 0..<100 { count += peer.exchange(c.segment(.rst, at: 100)).count }
    #expect(count == 10)
    peer.now = peer.now + .seconds(1)
    #expect(peer.exchange(c.segment(.rst, at: 100)).count == 1)
    // Genuine traffic is not hindered.
    #expect(peer.exchange(c.segment([.ack, .fin])).map(\.flags) == [.ack])
  }

  @Test("a flood of requests fills the backlog only, costs no buffers, and lets a later client in")
  func synFlood() throws {
    let peer = ScriptedPeer()
    let listener = try peer.stack.listen(port: 80, backlog: 16)
    var answers = 0
    for port in 0..<1000 {
      answers += peer.exchange(TestSegment(sourcePort: UInt16(10_000 + port), sequence: 7, flags: .syn)).count
    }
    #expect(answers == 16)
    #expect(peer.stack.statistics.synDropped == 984)
    let blocks = peer.stack.tcp.slots.compactMap { $0 }
    #expect(blocks.count == 16)
    #expect(blocks.allSatisfy { $0.sendBuffer.capacity == 0 && $0.receiveBuffer.capacity == 0 })
    #expect(peer.stack.accept(listener) == nil)
    _ = peer.wait(.seconds(4))
    _ = try peer.accepted(peerPort: 5, listener: listener)
    // Those who never answer are forgotten.
    _ = peer.wait(.seconds(200))
    #expect(peer.stack.tcp.slots.compactMap { $0 }.count == 1)
  }

  @Test("connections that wait for accept count against the backlog")
  func acceptQueue() throws {
    let peer = ScriptedPeer()
    let listener = try peer.stack.listen(port: 80, backlog: 2)
    for port in UInt16(1)...3 {
      let answer = peer.exchange(TestSegment(sourcePort: port, sequence: 7, flags: .syn)).first
      #expect((answer == nil) == (port == 3))
      if let answer {
        peer.exchange(
          TestSegment(sourcePort: port, sequence: 8, acknowledgment: answer.sequence &+ 1, flags: .ack))
      }
    }
    let first = try #require(peer.stack.accept(listener))
    #expect(peer.stack.status(of: first)?.remote.port == 1)
    // One that is reset before anybody accepts it is not handed out.
    peer.exchange(TestSegment(sourcePort: 2, sequence: 8, flags: .rst))
    #expect(peer.stack.accept(listener) == nil)
    #expect(peer.stack.tcp.slots.compactMap { $0 }.count == 1)
  }

  @Test("the table of connections is bounded, and TIME-WAIT makes room")
  func tableLimit() throws {
    var configuration = StackConfiguration()
    configuration.maximumConnections = 2
    let peer = ScriptedPeer(configuration: configuration)
    let listener = try peer.stack.listen(port: 80, backlog: 8)
    let first = try peer.accepted(peerPort: 1, listener: listener)
    _ = try peer.accepted(peerPort: 2, listener: listener)
    #expect(peer.exchange(TestSegment(sourcePort: 3, sequence: 7, flags: .syn)).isEmpty)
    #expect(throws: NetworkError.tableFull) {
      try peer.stack.connect(to: Endpoint(address: peer.address, port: 1), now: peer.now)
    }
    peer.stack.release(first.connection)
    peer.poll()
    peer.exchange(first.segment([.ack, .fin], acknowledging: 1))
    _ = try peer.accepted(peerPort: 3, listener: listener)
  }

  @Test("initial sequence numbers differ between tuples and keys, and grow with time")
  func initialSequenceNumbers() throws {
    let peer = ScriptedPeer()
    let local = Endpoint(address: peer.host.address, port: 80)
    let numbers = (1...100).map {
      peer.stack.initialSequence(local: local, remote: Endpoint(address: peer.address, port: $0)).value
    }
    #expect(Set(numbers).count == 100)
    let remote = Endpoint(address: peer.address, port: 1)
    let other = Host(number: 7)
    other.stack.poll(now: peer.now)
    #expect(other.stack.initialSequence(local: local, remote: remote).value != numbers[0])
    peer.now = peer.now + .seconds(1)
    peer.poll()
    #expect(peer.stack.initialSequence(local: local, remote: remote).value &- numbers[0] == 250_000)
  }
}
