/// The owner's calls on TCP connections.
extension ProtocolEngine {
  /// Begins to connect to `remote` from an ephemeral port. `status` tells when it is established or has failed; data
  /// may be written at once and is sent when it is.
  public func connect(to remote: Endpoint, now: Instant) throws(NetworkError) -> Connection {
    if now > self.now { self.now = now }
    guard let address else { throw .notConfigured }
    guard remote.port != 0 else { throw .noUsablePort }
    switch route(to: remote.address) {
    case .unreachable, .ready(.broadcast): throw .unreachable(remote.address)
    case .ready, .resolving: break
    }
    if tcp.isFull { recycleReleased() }
    if tcp.isFull { throw .tableFull }
    let local = Endpoint(address: address, port: try ephemeralPort(address, remote))
    let initial = initialSequence(local: local, remote: remote)
    let (configuration, clock) = (configuration, self.now)
    let made = tcp.insert(hash: hash) { index, generation in
      ControlBlock(
        index: index, generation: generation, local: local, remote: remote, state: .synSent, initialSequence: initial,
        configuration: configuration, isOwned: true, now: clock)
    }
    guard let c = made else { throw .tableFull }
    c.openBuffers(configuration, bufferMemory)
    enqueueOutput(c)
    return c.handle
  }

  /// Takes received bytes; 0 means that there are none now (`status` tells whether more can come).
  public func read(_ connection: Connection, into buffer: UnsafeMutableRawBufferPointer) throws(NetworkError) -> Int {
    let c = try usable(connection)
    let count = unsafe c.receiveBuffer.read(into: buffer)  // the buffer is the caller's and lives during the call
    if count > 0, !c.peerFinished, windowUpdateIsDue(c) { enqueueAcknowledgment(c) }
    return count
  }

  /// Copies received bytes without taking them, and returns how many; `skip` takes them.
  public func peek(_ connection: Connection, into buffer: UnsafeMutableRawBufferPointer) throws(NetworkError) -> Int {
    // The buffer is the caller's and lives during the call.
    unsafe try usable(connection).receiveBuffer.peek(into: buffer)
  }

  /// Takes `count` received bytes, or all where there are fewer.
  public func skip(_ connection: Connection, count: Int) throws(NetworkError) {
    let c = try usable(connection)
    c.receiveBuffer.discard(min(max(0, count), c.receiveBuffer.count))
    if count > 0, !c.peerFinished, windowUpdateIsDue(c) { enqueueAcknowledgment(c) }
  }

  /// Queues bytes to be sent and returns how many fitted (and found memory), which may be 0. They go out with the next
  /// `poll`.
  public func write(_ connection: Connection, from bytes: UnsafeRawBufferPointer) throws(NetworkError) -> Int {
    let c = try usable(connection)
    guard isWritable(c) else { throw .closedForWriting }
    let count = unsafe c.sendBuffer.append(bytes)  // the bytes are the caller's and live during the call
    if count > 0 { enqueueOutput(c) }
    return count
  }

  /// Says that nothing more will be written: FIN follows the queued data, riding on the last of it. Reading goes on.
  public func finish(_ connection: Connection) {
    if let c = tcp.find(connection) { finish(c) }
  }

  /// Ends the connection at once, with a reset to the peer; queued data is lost. The handle stays until `release`.
  public func abort(_ connection: Connection) {
    guard let c = tcp.find(connection) else { return }
    switch c.state {
    case .synReceived, .established, .finWait1, .finWait2, .closeWait: sendReset(c)
    case .synSent, .closing, .lastAck, .timeWait, .closed: break
    }
    close(c, failure: .aborted)
  }

  /// Gives the handle back. Queued data is still sent, then the connection is closed in order; what the peer sends
  /// meanwhile is acknowledged and dropped.
  public func release(_ connection: Connection) {
    guard let c = tcp.find(connection) else { return }
    c.isReleased = true
    if c.isQueuedForEvent {
      c.isQueuedForEvent = false
      tcp.eventQueue.remove(c.index)
    }
    switch c.state {
    case .closed: tcp.remove(c)
    case .synSent: close(c, failure: nil)
    case .timeWait: c.receiveBuffer.close()
    default:
      c.receiveBuffer.discard(c.receiveBuffer.count)
      c.reassembly.removeAll()
      if windowUpdateIsDue(c), !c.peerFinished { enqueueAcknowledgment(c) }
      if c.state == .finWait2 { setTimer(&c.lingerUntil, to: now + configuration.finWait2) }
      finish(c)
    }
  }

  /// The status of a connection; nil for a stale handle.
  public func status(of connection: Connection) -> ConnectionStatus? {
    guard let c = tcp.find(connection) else { return nil }
    return ConnectionStatus(
      state: c.state, local: c.local, remote: c.remote, readableBytes: c.failure == nil ? c.receiveBuffer.count : 0,
      writableBytes: isWritable(c) ? c.sendBuffer.available : 0, unacknowledgedBytes: c.sendBuffer.count,
      peerFinished: c.peerFinished, failure: c.failure)
  }

  /// Takes the next connection whose status changed since it was last taken here; nil if there is none.
  ///
  /// With this an owner of many connections need not ask each for its status.
  public func nextChangedConnection() -> Connection? {
    while let index = tcp.eventQueue.removeFirst() {
      guard let c = tcp.slots[index] else { continue }
      c.isQueuedForEvent = false
      return c.handle
    }
    return nil
  }

  /// Switches Nagle's algorithm for one connection; see `StackConfiguration.coalescesSmallSegments`.
  public func setCoalescing(_ connection: Connection, _ isOn: Bool) throws(NetworkError) {
    let c = try usable(connection)
    c.coalesces = isOn
    enqueueOutput(c)
  }

  private func usable(_ connection: Connection) throws(NetworkError) -> ControlBlock {
    guard let c = tcp.find(connection) else { throw .unknownConnection }
    if let failure = c.failure { throw .connectionFailed(failure) }
    return c
  }

  private func isWritable(_ c: ControlBlock) -> Bool {
    if c.finishRequested { return false }
    switch c.state {
    case .synSent, .synReceived, .established, .closeWait: return true
    default: return false
    }
  }

  private func finish(_ c: ControlBlock) {
    if c.finishRequested { return }
    switch c.state {
    case .synSent, .synReceived: break  // becomes FIN-WAIT-1 once established
    case .established: c.state = .finWait1
    case .closeWait: c.state = .lastAck
    default: return
    }
    c.finishRequested = true
    enqueueOutput(c)
  }

  /// A free local port for `remote`: a sequence per destination that outsiders cannot predict (RFC 6056, algorithm 3).
  private func ephemeralPort(_ address: IPv4Address, _ remote: Endpoint) throws(NetworkError) -> UInt16 {
    let first = hash.hash(UInt64(address.value) << 32 | UInt64(remote.address.value), UInt64(remote.port) | 1 << 33)
    let start = UInt16(truncatingIfNeeded: first) &+ nextPortOffset
    for step in 0..<UInt16(16_384) {
      let port = 49_152 + ((start &+ step) & 16_383)
      if tcp.find(local: Endpoint(address: address, port: port), remote: remote, hash: hash) == nil {
        nextPortOffset = nextPortOffset &+ step &+ 1
        return port
      }
    }
    throw .noUsablePort
  }
}
