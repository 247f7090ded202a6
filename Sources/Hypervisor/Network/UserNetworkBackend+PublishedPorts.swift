import InternetStack
import SystemPackage

/// Clients of published ports: taking them, carrying them, and not letting them wait for nobody.
extension UserNetworkBackend {
  /// Connections accepted per wake-up, so that others get their turn.
  private static var burst: Int { 64 }
  /// How long not to accept after the host ran out of descriptors.
  private static var acceptPause: UInt64 { 100_000_000 }
  /// Clients that nobody answers for are looked for at most so often.
  private static var patienceStep: UInt64 { 20_000_000 }

  // MARK: Accepting

  func setAccepting(_ isAccepting: Bool) {
    guard isAccepting != self.isAccepting else { return }
    self.isAccepting = isAccepting
    for listener in listeners {
      do throws(EventLoopError) {
        try loop.update(listener.socket.rawValue, interest: isAccepting ? [.readable] : [])
      } catch {
        log.error("port \(listener.port.hostPort) is no longer served: \(error)")
      }
    }
  }

  func accept(_ listener: PublishedListener) {
    for _ in 0..<Self.burst where isAccepting {
      if connectionCount + earlyClients.count >= connectionLimit, !makeRoom() { return setAccepting(false) }
      switch HostSocket.accept(listener.socket.rawValue) {
      case .success(let fd):
        acceptFailure = nil
        let client = PublishedClient(fd, listener: listener)
        earlyClients.append(client)
        takeTurns()
        lookForUnanswered(at: client.since + Self.patience)
      case .failure(.wouldBlock), .failure(.resourceTemporarilyUnavailable): return
      case .failure(.connectionAbort): continue
      case .failure(let errno): return pauseAccepting(listener, errno)
      }
    }
  }

  /// The host has no descriptor or no memory for another connection: said once, and tried again until there is.
  private func pauseAccepting(_ listener: PublishedListener, _ errno: Errno) {
    if acceptFailure != errno {
      acceptFailure = errno
      log.warning(
        "cannot accept a connection on port \(listener.port.hostPort) (\(errno)); its client waits for others to end")
    }
    setAccepting(false)
    loop.schedule(after: Self.acceptPause) { [weak self] in self?.setAccepting(true) }
  }

  /// Lets go of the connection whose guest has ended its side longest ago: the client has all, and only has to end its
  /// own. False where there is none such.
  private func makeRoom() -> Bool {
    var oldest: TCPRelay?
    for case let relay? in relays {
      guard let ended = relay.guestEndedAt else { continue }
      if oldest?.guestEndedAt.map({ ended < $0 }) ?? true { oldest = relay }
    }
    guard let oldest else { return false }
    drop(at: oldest.connection.index) { $0.leave() }
    return true
  }

  // MARK: Carrying

  func carry(_ client: PublishedClient, _ stack: NetworkStack<UserNetworkLink>) {
    let guestPort = client.listener.port.guestPort
    do throws(NetworkError) {
      let connection = try stack.connect(to: Endpoint(address: Self.guestAddress, port: guestPort), now: now)
      // The host's client has chosen already what to send at once.
      try stack.setCoalescing(connection, false)
      do throws(EventLoopError) {
        relays[connection.index] = try TCPRelay(client, connection: connection, stack: stack, loop: loop) {
          [weak self] relay in
          self?.pump(relay)
          self?.serveSoon()
        }
        connectionCount += 1
        if let relay = relays[connection.index] { flight.note(relay, wasHeld: false) }
      } catch {
        stack.abort(connection)
        stack.release(connection)
        client.resetOnClose()
        log.warning("a connection to port \(guestPort) was dropped: \(error)")
      }
    } catch {
      client.resetOnClose()
      log.warning("a connection to port \(guestPort) of the guest was refused: \(error)")
    }
    serveSoon()
  }

  func pump(_ relay: TCPRelay) {
    guard relays[relay.connection.index] === relay else { return }
    let wasHeld = relay.isHeld
    // Safe: the buffer lives as long as this object and is used by one relay at a time.
    let progress = unsafe relay.pump(buffer, maySend: relay.flightSince != nil || flight.hasRoom)
    flight.note(relay, wasHeld: wasHeld)
    if progress == .over { drop(at: relay.connection.index) { _ in } }
  }

  /// Lets those who wait have their turn, as far as there is room on the way to the guest: by turns one that is carried
  /// and a new one, so that neither kind keeps the other waiting.
  func takeTurns() {
    guard let stack else { return }
    var taken = 0
    while flight.hasRoom {
      let relay = flight.next()
      if let relay { pump(relay) }
      if taken < earlyClients.count, flight.hasRoom {
        carry(earlyClients[taken], stack)
        taken += 1
      } else if relay == nil {
        break
      }
    }
    earlyClients.removeFirst(taken)
    guard flightTimer == nil, flight.isWaitedFor || !earlyClients.isEmpty else { return }
    flightTimer = loop.schedule(after: FlightControl.patience) { [weak self] in
      guard let self else { return }
      self.flightTimer = nil
      self.forgetUnacknowledged()
    }
  }

  /// Connections that the guest has not acknowledged in time count no more.
  private func forgetUnacknowledged() {
    let now = EventLoop.now
    for case let relay? in relays {
      if let since = relay.flightSince, since + FlightControl.patience <= now { flight.forget(relay) }
    }
    takeTurns()
    serveSoon()
  }

  /// Ends the relay at a place as `end` does it, and frees the place.
  func drop(at index: Int, _ end: (TCPRelay) -> Void) {
    guard let relay = relays[index] else { return }
    end(relay)
    flight.forget(relay)
    relay.isHeld = false
    relays[index] = nil
    connectionCount -= 1
    setAccepting(true)
  }

  // MARK: Patience

  /// The guest's side of a relay has changed: takes it as a sign of life of its port, unless it was our own patience
  /// that ended.
  func noteHeard(_ relay: TCPRelay, _ stack: NetworkStack<UserNetworkLink>) {
    switch stack.status(of: relay.connection)?.failure {
    case nil, .refused, .reset: relay.client.listener.lastHeard = EventLoop.now
    case .timedOut, .hostUnreachable, .addressLost, .aborted: break
    }
  }

  private func lookForUnanswered(at deadline: UInt64) {
    guard patienceTimer == nil else { return }
    let now = EventLoop.now
    let wait = max(deadline > now ? deadline - now : 0, Self.patienceStep)
    patienceTimer = loop.schedule(after: wait) { [weak self] in
      guard let self else { return }
      self.patienceTimer = nil
      self.resetUnanswered()
    }
  }

  /// Resets the clients for whose port the guest has not answered in time.
  private func resetUnanswered() {
    let now = EventLoop.now
    var next = UInt64.max
    func isDue(_ client: PublishedClient) -> Bool {
      let deadline = max(client.since, client.listener.lastHeard) + Self.patience
      if deadline > now { next = min(next, deadline) }
      return deadline <= now
    }
    earlyClients.removeAll { client in
      guard isDue(client) else { return false }
      client.resetOnClose()
      return true
    }
    for index in relays.indices {
      guard let relay = relays[index], !relay.isAnswered, isDue(relay.client) else { continue }
      drop(at: index) { $0.reset() }
    }
    setAccepting(true)
    serveSoon()
    if next != .max { lookForUnanswered(at: next) }
  }
}
