/// Passive opens: listeners, half-open connections and their limits.
extension ProtocolEngine {
  /// Begins to accept connections to `port`.
  ///
  /// At most `backlog` connections (at least 1) are half open or waiting for `accept`; further requests are dropped, so
  /// that their senders try again. In a flood of requests the oldest half-open ones make room after 3 seconds.
  public func listen(port: UInt16, backlog: Int) throws(NetworkError) -> Listener {
    guard port != 0 else { throw .noUsablePort }
    guard tcp.findListener(port: port) == nil else { throw .portInUse(port) }
    guard let index = tcp.listeners.firstIndex(where: { $0 == nil }) else { throw .tableFull }
    tcp.listenerGeneration &+= 1
    let generation = tcp.listenerGeneration
    tcp.listeners[index] = ListenerState(port: port, generation: generation, backlog: min(backlog, 32_768))
    return Listener(index: index, generation: generation)
  }

  /// Takes the oldest connection that is established; nil if there is none or the handle is stale.
  public func accept(_ listener: Listener) -> Connection? {
    guard let state = tcp.find(listener), let index = state.ready.first, let c = tcp.slots[index] else { return nil }
    state.ready.removeFirst()
    c.listener = nil
    c.isOwned = true
    notify(c)
    return c.handle
  }

  /// Stops listening. Connections that nobody has accepted are reset; accepted ones go on. A stale handle is ignored.
  public func close(_ listener: Listener) {
    guard let state = tcp.find(listener) else { return }
    for index in state.ready + state.halfOpen {
      guard let c = tcp.slots[index] else { continue }
      sendReset(c)
      close(c, failure: .aborted)
    }
    tcp.listeners[listener.index] = nil
  }

  /// A segment for no connection: a request for a listener, or nothing we know (section 3.10.7.1 and .2).
  func receiveUnconnected(_ segment: Segment, local: Endpoint, remote: Endpoint) {
    guard let index = tcp.findListener(port: local.port), let listener = tcp.listeners[index] else {
      sendReset(answering: segment, from: local, to: remote)
      return
    }
    if segment.flags.contains(.rst) { return }
    if segment.flags.contains(.ack) {
      sendReset(answering: segment, from: local, to: remote)
      return
    }
    if segment.flags.contains(.syn) {
      open(segment, local: local, remote: remote, listenerIndex: index, listener, above: nil)
    }
  }

  /// Whether a segment in TIME-WAIT is a request for a new connection of the same tuple. It is taken if its sequence
  /// number lies beyond the old connection's; ours is then chosen beyond the old one as well (RFC 9293, section 3.6.1).
  func reopens(_ c: ControlBlock, _ segment: Segment) -> Bool {
    guard segment.flags.contains(.syn), segment.flags.isDisjoint(with: [.ack, .rst]),
      segment.sequence > c.nextExpected, let index = tcp.findListener(port: c.local.port),
      let listener = tcp.listeners[index]
    else { return false }
    let (local, remote, highest) = (c.local, c.remote, c.highestSent)
    close(c, failure: nil)
    open(segment, local: local, remote: remote, listenerIndex: index, listener, above: highest)
    return true
  }

  private func open(
    _ segment: Segment, local: Endpoint, remote: Endpoint, listenerIndex: Int, _ listener: ListenerState,
    above lowest: SequenceNumber?
  ) {
    if listener.isFull { makeRoom(in: listener) }
    if tcp.isFull { recycleReleased() }
    if listener.isFull || tcp.isFull {
      statistics.synDropped &+= 1
      return
    }
    var initial = initialSequence(local: local, remote: remote)
    if let lowest, initial <= lowest { initial = lowest + 131_072 }
    let (configuration, now) = (configuration, now)
    let made = tcp.insert(hash: hash) { index, generation in
      ControlBlock(
        index: index, generation: generation, local: local, remote: remote, state: .synReceived,
        initialSequence: initial, configuration: configuration, isOwned: false, now: now)
    }
    guard let c = made else { return }
    c.listener = listenerIndex
    listener.halfOpen.append(c.index)
    takeHandshakeOptions(c, segment)
    enqueueOutput(c)
  }

  /// Drops the oldest half-open connection if it had time enough to answer.
  private func makeRoom(in listener: ListenerState) {
    guard let index = listener.halfOpen.first, let c = tcp.slots[index], now >= c.createdAt + .seconds(3) else {
      return
    }
    statistics.synDropped &+= 1
    close(c, failure: .timedOut)
  }

  /// Frees the slot of a released connection that is only waited out: of that which has been in TIME-WAIT longest, or
  /// else in FIN-WAIT-2, where all of ours is delivered and a peer that never ends its side would keep the slot.
  func recycleReleased() {
    var oldest: ControlBlock?
    for slot in tcp.slots {
      guard let c = slot, c.isReleased, c.state == .timeWait || c.state == .finWait2 else { continue }
      guard let found = oldest else {
        oldest = c
        continue
      }
      let isBetter = c.state == found.state ? c.lingerUntil < found.lingerUntil : c.state == .timeWait
      if isBetter { oldest = c }
    }
    if let oldest { close(oldest, failure: nil) }
  }

  /// An initial sequence number that outsiders cannot predict and that grows with time (RFC 6528).
  func initialSequence(local: Endpoint, remote: Endpoint) -> SequenceNumber {
    let addresses = UInt64(local.address.value) << 32 | UInt64(remote.address.value)
    let ports = UInt64(local.port) << 16 | UInt64(remote.port) | 1 << 32
    let clock = now.nanoseconds / 4_000  // one step in 4 microseconds
    return SequenceNumber(UInt32(truncatingIfNeeded: hash.hash(addresses, ports) &+ clock))
  }
}
