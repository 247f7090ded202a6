/// Timers that expire, and the ends of connections: TIME-WAIT, failures, ARP and ICMP.
extension ProtocolEngine {
  func runConnectionTimers() {
    if now < tcp.nextDeadline { return }
    tcp.nextDeadline = .never
    for index in tcp.slots.indices {
      guard let c = tcp.slots[index] else { continue }
      if c.deadline <= now { runTimers(of: c) }
      // If the connection ended, its timers are off.
      tcp.nextDeadline = min(tcp.nextDeadline, c.deadline)
    }
  }

  private func runTimers(of c: ControlBlock) {
    if c.lingerUntil <= now {
      close(c, failure: nil)
      return
    }
    if c.acknowledgeAt <= now {
      c.acknowledgeAt = .never
      enqueueAcknowledgment(c)
    }
    if c.retransmitAt <= now { retransmissionTimedOut(c) }
    if c.state != .closed, c.probeAt <= now { probeTimedOut(c) }
  }

  private func retransmissionTimedOut(_ c: ControlBlock) {
    c.retransmitAt = .never
    c.retries += 1
    let inHandshake = c.state == .synSent || c.state == .synReceived
    if c.retries > (inHandshake ? configuration.handshakeRetransmissionLimit : configuration.retransmissionLimit) {
      close(c, failure: .timedOut)
      return
    }
    statistics.retransmissionTimeouts &+= 1
    c.measuredEnd = nil
    c.mustRepeatFirst = false
    if inHandshake {
      c.nextToSend = c.initialSequence
    } else {
      if c.flight > 0 { c.congestion.timedOut(flight: c.flight, highest: c.highestSent, isFirst: c.retries == 1) }
      c.nextToSend = c.unacknowledged
    }
    c.timeout.backOff()
    enqueueOutput(c)
  }

  private func probeTimedOut(_ c: ControlBlock) {
    c.probeAt = .never
    c.retries += 1
    // A released connection has nobody to lose patience with a peer that answers but never opens its window.
    if c.retries > configuration.retransmissionLimit || (c.isReleased && c.probes >= configuration.retransmissionLimit)
    {
      sendReset(c)
      close(c, failure: .timedOut)
      return
    }
    c.probes += 1
    setTimer(&c.probeAt, to: now + c.timeout.probeInterval(after: c.probes))
    sendProbe(c)
  }

  /// Enters TIME-WAIT, or starts its time again.
  func enterTimeWait(_ c: ControlBlock) {
    c.state = .timeWait
    c.stopTimers()
    c.sendBuffer.close()
    c.reassembly.removeAll()
    if c.isReleased { c.receiveBuffer.close() }
    setTimer(&c.lingerUntil, to: now + configuration.timeWait)
    notify(c)
  }

  /// Ends a connection. Its slot is freed unless its owner still holds the handle.
  func close(_ c: ControlBlock, failure: ConnectionFailure?) {
    if c.state == .closed { return }
    c.state = .closed
    c.failure = failure
    c.stopTimers()
    c.sendBuffer.close()
    tcp.unlink(c, hash: hash)
    if let index = c.listener, let listener = tcp.listeners[index] {
      listener.halfOpen.removeAll { $0 == c.index }
      listener.ready.removeAll { $0 == c.index }
    }
    c.listener = nil
    if c.isOwned, !c.isReleased { notify(c) } else { tcp.remove(c) }
  }

  /// Puts a connection on the list of those whose status changed.
  func notify(_ c: ControlBlock) {
    guard c.isOwned, !c.isReleased, !c.isQueuedForEvent else { return }
    c.isQueuedForEvent = true
    tcp.eventQueue.append(c.index)
  }

  /// ARP has found a neighbour: connections that waited for one go on.
  func neighborResolved() {
    for index in tcp.slots.indices {
      guard let c = tcp.slots[index], c.awaitsNeighbor else { continue }
      c.awaitsNeighbor = false
      if c.probeAt != .never { sendProbe(c) }
      enqueueOutput(c)
    }
  }

  /// Nobody answered ARP: attempts to connect through that neighbour fail, the others go on trying.
  func neighborFailed(_ neighbor: IPv4Address) {
    for index in tcp.slots.indices {
      guard let c = tcp.slots[index], c.awaitsNeighbor else { continue }
      guard case .unreachable = route(to: c.remote.address) else { continue }
      c.awaitsNeighbor = false
      if c.state == .synSent { close(c, failure: .hostUnreachable) }
    }
  }

  /// The interface lost `address`: its connections cannot go on.
  func failConnections(of address: IPv4Address) {
    for index in tcp.slots.indices {
      if let c = tcp.slots[index], c.local.address == address { close(c, failure: .addressLost) }
    }
  }

  /// Takes an ICMP error about a segment we sent, if its sequence number shows that it is genuine (RFC 5927).
  func connectionUnreachable(local: Endpoint, remote: Endpoint, sequence: SequenceNumber, code: UInt8, mtu: UInt16) {
    guard let c = tcp.find(local: local, remote: remote, hash: hash), c.flight > 0, sequence >= c.unacknowledged,
      sequence < c.highestSent
    else { return }
    switch ICMP.UnreachableCode(rawValue: code) {
    case .fragmentationNeeded:
      // Path MTU discovery (RFC 1191). Below 256 bytes of payload nobody is believed.
      let size = max(256, (mtu == 0 ? 576 : Int(mtu)) - IPv4Header.length - Segment.headerLength)
      guard size < c.segmentSize, c.state != .synSent, c.state != .synReceived else { return }
      c.segmentSize = size
      c.congestion.reduceSegmentSize(to: size)
      c.nextToSend = c.unacknowledged
      enqueueOutput(c)
    case .protocol, .port: if c.state == .synSent { close(c, failure: .refused) }
    case .network, .host, nil: if c.state == .synSent { close(c, failure: .hostUnreachable) }
    }
  }
}
