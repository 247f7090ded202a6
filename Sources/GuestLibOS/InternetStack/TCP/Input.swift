/// Processing of received segments (RFC 9293 section 3.10.7).
extension ProtocolEngine {
  func receiveTCP(_ bytes: PacketBytes, _ header: IPv4Header, _ metadata: FrameMetadata) {
    guard let segment = Segment(parsing: bytes, metadata), segment.sourcePort != 0, segment.destinationPort != 0 else {
      statistics.malformed &+= 1
      return
    }
    if !metadata.checksumNeedsNoCheck {
      var checksum = InternetChecksum()
      checksum.addPseudoHeader(
        source: header.source, destination: header.destination, protocolNumber: header.protocolNumber,
        length: bytes.count)
      checksum.add(bytes)
      guard checksum.complement == 0 else {
        statistics.badChecksums &+= 1
        return
      }
    }
    statistics.segmentsReceived &+= 1
    let local = Endpoint(address: header.destination, port: segment.destinationPort)
    let remote = Endpoint(address: header.source, port: segment.sourcePort)
    guard let c = tcp.find(local: local, remote: remote, hash: hash) else {
      receiveUnconnected(segment, local: local, remote: remote)
      return
    }
    switch c.state {
    case .closed: return
    case .synSent: receiveInSynSent(c, segment)
    default:
      if c.state == .timeWait, reopens(c, segment) { return }
      receiveSynchronized(c, segment)
    }
  }

  /// SYN-SENT (section 3.10.7.3).
  private func receiveInSynSent(_ c: ControlBlock, _ segment: Segment) {
    let hasAck = segment.flags.contains(.ack)
    if hasAck, segment.acknowledgment <= c.initialSequence || segment.acknowledgment > c.highestSent {
      sendReset(answering: segment, from: c.local, to: c.remote)
      return
    }
    if segment.flags.contains(.rst) {
      if hasAck { close(c, failure: .refused) }
      return
    }
    guard segment.flags.contains(.syn) else { return }
    takeHandshakeOptions(c, segment)
    guard hasAck else {
      // Simultaneous open: our SYN goes out again, now with an acknowledgement.
      c.state = .synReceived
      c.nextToSend = c.initialSequence
      enqueueOutput(c)
      return
    }
    handshakeAcknowledged(c, segment)
    enqueueAcknowledgment(c)
    if segment.payload.count > 0 { receiveText(c, segment.sequence + 1, segment.payload, segment) }
    if segment.flags.contains(.fin) { noteFin(c, at: segment.sequence + 1 + segment.payload.count) }
    processFin(c)
  }

  /// Takes what the peer's SYN says.
  func takeHandshakeOptions(_ c: ControlBlock, _ segment: Segment) {
    c.initialReceiveSequence = segment.sequence
    c.nextExpected = segment.sequence + 1
    c.advertisedEdge = c.nextExpected
    // Without the option 536 (section 3.7.1); smaller values than 64 would only make us send headers.
    let offered = Int(segment.maximumSegmentSize ?? 536)
    c.segmentSize = min(max(offered == 0 ? 536 : offered, 64), ownSegmentSize)
    c.peerScales = segment.windowScale != nil
    c.sendScale = segment.windowScale ?? 0
    c.receiveScale = c.peerScales ? ownWindowScale : 0
    updateSendWindow(c, segment, scale: 0)
  }

  /// Our SYN is acknowledged: the connection is established.
  func handshakeAcknowledged(_ c: ControlBlock, _ segment: Segment) {
    if let end = c.measuredEnd, segment.acknowledgment >= end { c.timeout.measured(now.since(c.measuredSince)) }
    c.measuredEnd = nil
    if c.retries > 0 { c.timeout.restartAfterLostSYN() }
    c.retries = 0
    c.retransmitAt = .never
    c.unacknowledged = c.initialSequence + 1
    c.nextToSend = c.unacknowledged
    c.highestSent = c.unacknowledged
    c.smallSegmentEnd = c.unacknowledged
    if c.sendBuffer.capacity == 0 { c.openBuffers(configuration, bufferMemory) }
    c.congestion.start(segmentSize: c.segmentSize, initialSegments: configuration.initialWindowSegments)
    c.lastSent = now
    c.state = c.finishRequested ? .finWait1 : .established
    statistics.connectionsEstablished &+= 1
    if let index = c.listener, let listener = tcp.listeners[index] {
      listener.halfOpen.removeAll { $0 == c.index }
      listener.ready.append(c.index)
    }
    updateSendWindow(c, segment, scale: segment.flags.contains(.syn) ? 0 : Int(c.sendScale))
    enqueueOutput(c)
    notify(c)
  }

  private func updateSendWindow(_ c: ControlBlock, _ segment: Segment, scale: Int) {
    let wasClosed = c.sendWindow == 0
    c.sendWindow = Int(segment.window) << scale
    c.largestSendWindow = max(c.largestSendWindow, c.sendWindow)
    c.windowUpdateSequence = segment.sequence
    c.windowUpdateAcknowledgment = segment.acknowledgment
    if c.sendWindow > 0, wasClosed {
      c.probeAt = .never
      c.probes = 0
    }
  }

  /// All states from SYN-RECEIVED on (section 3.10.7.4).
  private func receiveSynchronized(_ c: ControlBlock, _ segment: Segment) {
    var sequence = segment.sequence
    var isSyn = segment.flags.contains(.syn)
    if c.state == .synReceived, isSyn, sequence == c.initialReceiveSequence, !segment.flags.contains(.rst) {
      guard segment.flags.contains(.ack) else {
        // The peer has not seen our answer.
        c.nextToSend = c.initialSequence
        enqueueOutput(c)
        return
      }
      // Simultaneous open: the peer's SYN again, with the acknowledgement of ours.
      sequence = sequence + 1
      isSyn = false
    }
    let textLength = segment.payload.count
    let length = textLength + (isSyn ? 1 : 0) + (segment.flags.contains(.fin) ? 1 : 0)
    guard isAcceptable(c, sequence, length) else {
      refuseUnacceptable(c, segment, length)
      return
    }
    if segment.flags.contains(.rst) {
      // Only the exact number resets; any other in the window is questioned (RFC 5961 section 3.2).
      if sequence == c.nextExpected { receivedReset(c) } else { sendChallenge(c) }
      return
    }
    if isSyn {
      sendChallenge(c)  // RFC 5961 section 4.2
      return
    }
    guard segment.flags.contains(.ack), processAcknowledgment(c, segment, sequence) else { return }
    if textLength > 0 { receiveText(c, sequence, segment.payload, segment) }
    if c.state != .closed, segment.flags.contains(.fin) { noteFin(c, at: sequence + textLength) }
    processFin(c)
  }

  /// Whether a segment has anything in the receive window (section 3.4). With a closed window, one that begins with the
  /// next expected byte passes for the sake of its acknowledgement; its text is cut off.
  private func isAcceptable(_ c: ControlBlock, _ sequence: SequenceNumber, _ length: Int) -> Bool {
    let start = sequence - c.nextExpected
    // After the peer's FIN, or before our buffers exist, there is no room, but numbers must still be judged.
    let window = max(c.receiveWindow, c.advertisedEdge - c.nextExpected)
    if window <= 0 { return start == 0 }
    if length == 0 { return start >= 0 && start < window }
    return start < window && start + length > 0
  }

  private func refuseUnacceptable(_ c: ControlBlock, _ segment: Segment, _ length: Int) {
    if segment.flags.contains(.rst) { return }
    if c.state == .timeWait, segment.flags.contains(.fin) { enterTimeWait(c) }
    if length > 0 {
      // Most likely something we have: the acknowledgement got lost, or it is a probe of our window.
      sendAcknowledgment(c)
    } else {
      // An acknowledgement answered by an acknowledgement may never end: limited.
      sendChallenge(c)
    }
  }

  private func receivedReset(_ c: ControlBlock) {
    switch c.state {
    case .synReceived: close(c, failure: .refused)
    case .closing, .lastAck, .timeWait: close(c, failure: nil)
    default: close(c, failure: .reset)
    }
  }

  /// Takes the peer's FIN into account wherever it lies; it counts once everything before it is here.
  func noteFin(_ c: ControlBlock, at sequence: SequenceNumber) {
    if c.peerFinished || c.peerFinSequence != nil || sequence < c.nextExpected { return }
    // A FIN behind our window comes again later, like the bytes before it.
    if sequence - c.nextExpected > max(c.receiveWindow, c.advertisedEdge - c.nextExpected) { return }
    c.peerFinSequence = sequence
  }

  func processFin(_ c: ControlBlock) {
    guard c.state != .closed, let fin = c.peerFinSequence, fin == c.nextExpected, !c.peerFinished else { return }
    c.peerFinished = true
    c.nextExpected = fin + 1
    c.reassembly.removeAll()
    enqueueAcknowledgment(c)
    switch c.state {
    case .synReceived, .established: c.state = .closeWait
    case .finWait1: c.state = .closing
    case .finWait2: enterTimeWait(c)
    default: break
    }
    notify(c)
  }
}
