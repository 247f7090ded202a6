/// Building and sending single segments.
extension ProtocolEngine {
  /// Where the TCP header lies in `frame`.
  private static var tcpStart: Int { EthernetHeader.length + IPv4Header.length }

  /// Our MSS: what fits a packet of the link without IP and TCP options (RFC 9293 section 3.7.1).
  var ownSegmentSize: Int { maximumTransmissionUnit - IPv4Header.length - Segment.headerLength }

  /// The window to announce, in bytes: room for which there is memory. The right edge never moves left, and moves right
  /// only if that is worth a segment (receiver's silly window avoidance, RFC 9293 section 3.8.6.2.2).
  private func windowToAnnounce(_ c: ControlBlock) -> Int {
    let announced = max(0, c.advertisedEdge - c.nextExpected)
    let room = c.receiveBuffer.room
    let worthwhile = room - announced >= min(c.receiveBuffer.capacity / 2, ownSegmentSize)
    return min(worthwhile ? room : announced, 0xFFFF << Int(c.receiveScale))
  }

  /// Whether reading has opened the window so far that the peer should be told without waiting for data to send.
  func windowUpdateIsDue(_ c: ControlBlock) -> Bool {
    let announced = max(0, c.advertisedEdge - c.nextExpected)
    let gain = c.receiveBuffer.room - announced
    return gain >= min(c.receiveBuffer.capacity / 2, 2 * ownSegmentSize) && gain >= announced
  }

  /// Sends one segment of a connection; `dataOffset` counts from the first unacknowledged byte.
  ///
  /// False if it could not be sent now. Then the connection is queued again (link full), or waits for ARP, with the
  /// retransmission timer as the last resort.
  func sendSegment(
    _ c: ControlBlock, sequence: SequenceNumber, flags: SegmentFlags, dataOffset: Int = 0, dataLength: Int = 0
  ) -> Bool {
    let station: MACAddress
    switch route(to: c.remote.address) {
    case .ready(let hardware): station = hardware
    case .resolving, .unreachable:
      c.awaitsNeighbor = true
      if c.retransmitAt == .never, c.probeAt == .never { setTimer(&c.retransmitAt, to: now + c.timeout.current) }
      return false
    }
    var headerLength = Segment.headerLength
    if flags.contains(.syn) { headerLength = writeHandshakeOptions(c, isAnswer: flags.contains(.ack)) }
    c.sendBuffer.copy(from: dataOffset, count: dataLength, to: frame, at: Self.tcpStart + headerLength)
    let window = flags.contains(.syn) ? min(configuredReceiveWindow, 0xFFFF) : windowToAnnounce(c)
    let scaled = flags.contains(.syn) ? window : window >> Int(c.receiveScale)
    let header = HeaderFields(
      source: c.local, destination: c.remote, sequence: sequence,
      acknowledgment: flags.contains(.ack) ? c.nextExpected : SequenceNumber(0), flags: flags,
      window: UInt16(truncatingIfNeeded: scaled), headerLength: headerLength)
    let segmentSize = dataLength > c.segmentSize ? c.segmentSize : 0
    guard sendTCP(header, payloadLength: dataLength, gsoSize: segmentSize, to: station) else {
      enqueueOutput(c)
      return false
    }
    c.lastSent = now
    if flags.contains(.ack) {
      c.advertisedEdge = SequenceNumber.later(c.advertisedEdge, c.nextExpected + (scaled << announcedShift(c, flags)))
      c.mustAcknowledge = false
      c.acknowledgeAt = .never
      c.unacknowledgedReceived = 0
    }
    return true
  }

  /// The window field of a SYN is never scaled (RFC 7323 section 2.2).
  private func announcedShift(_ c: ControlBlock, _ flags: SegmentFlags) -> Int {
    flags.contains(.syn) ? 0 : Int(c.receiveScale)
  }

  /// The receive window a new connection will have.
  var configuredReceiveWindow: Int {
    var size = 1024
    while size < min(configuration.receiveBufferSize, 1 << 30) { size *= 2 }
    return size
  }

  /// The shift with which our largest window fits 16 bits (RFC 7323 section 2.2).
  var ownWindowScale: UInt8 {
    var shift: UInt8 = 0
    while configuredReceiveWindow >> Int(shift) > 0xFFFF { shift += 1 }
    return shift
  }

  private func writeHandshakeOptions(_ c: ControlBlock, isAnswer: Bool) -> Int {
    let options = Self.tcpStart + Segment.headerLength
    frame.set(UInt16(0x0204), at: options)
    frame.set(UInt16(truncatingIfNeeded: ownSegmentSize), at: options + 2)
    // An answer may offer scaling only if the request did.
    if isAnswer, !c.peerScales { return Segment.headerLength + 4 }
    frame.set(UInt32(0x0103_0300) | UInt32(ownWindowScale), at: options + 4)
    return Segment.longestHeaderSent
  }

  /// Sends an acknowledgement without data.
  func sendAcknowledgment(_ c: ControlBlock) {
    if sendSegment(c, sequence: c.highestSent, flags: .ack) {
      statistics.pureAcknowledgmentsSent &+= 1
    } else {
      c.mustAcknowledge = true
    }
  }

  /// Answers a suspicious segment so that a genuine peer can put things right (RFC 5961), at a limited rate.
  func sendChallenge(_ c: ControlBlock) {
    guard c.challengeBudget.allows(at: now) else { return }
    statistics.challengeAcknowledgments &+= 1
    sendAcknowledgment(c)
  }

  /// Sends a reset of a connection; it is lost if the link is full, then the peer's next segment gets another.
  func sendReset(_ c: ControlBlock) {
    if sendSegment(c, sequence: c.highestSent, flags: [.rst, .ack]) { statistics.resetsSent &+= 1 }
  }

  /// Answers a segment that belongs to no connection (RFC 9293 section 3.10.7.1).
  func sendReset(answering segment: Segment, from local: Endpoint, to remote: Endpoint) {
    if segment.flags.contains(.rst) { return }
    let hasAck = segment.flags.contains(.ack)
    let header = HeaderFields(
      source: local, destination: remote, sequence: hasAck ? segment.acknowledgment : SequenceNumber(0),
      acknowledgment: hasAck ? SequenceNumber(0) : segment.sequence + segment.length,
      flags: hasAck ? .rst : [.rst, .ack], window: 0, headerLength: Segment.headerLength)
    let metadata = writeTCPHeader(header, payloadLength: 0, gsoSize: 0)
    statistics.resetsSent &+= 1
    statistics.segmentsSent &+= 1
    _ = sendIPv4(
      from: local.address, to: remote.address, protocolNumber: IPv4Header.ProtocolNumber.tcp,
      payloadLength: Segment.headerLength, metadata: metadata)
  }

  private struct HeaderFields {
    var source: Endpoint
    var destination: Endpoint
    var sequence: SequenceNumber
    var acknowledgment: SequenceNumber
    var flags: SegmentFlags
    var window: UInt16
    var headerLength: Int
  }

  private func sendTCP(_ header: HeaderFields, payloadLength: Int, gsoSize: Int, to station: MACAddress) -> Bool {
    let metadata = writeTCPHeader(header, payloadLength: payloadLength, gsoSize: gsoSize)
    let length = header.headerLength + payloadLength
    writeIPv4Header(
      source: header.source.address, destination: header.destination.address,
      protocolNumber: IPv4Header.ProtocolNumber.tcp, payloadLength: length)
    writeEthernetHeader(in: frame, to: station, type: EthernetHeader.EtherType.ipv4)
    guard emit(length: Self.tcpStart + length, metadata: metadata) else { return false }
    statistics.segmentsSent &+= 1
    return true
  }

  /// Writes the header in front of a payload that lies in `frame`, and says what the link must do.
  private func writeTCPHeader(_ header: HeaderFields, payloadLength: Int, gsoSize: Int) -> FrameMetadata {
    let start = Self.tcpStart
    let length = header.headerLength + payloadLength
    frame.set(header.source.port, at: start)
    frame.set(header.destination.port, at: start + 2)
    frame.set(header.sequence.value, at: start + 4)
    frame.set(header.acknowledgment.value, at: start + 8)
    frame.set(UInt8(header.headerLength / 4) << 4, at: start + 12)
    frame.set(header.flags.rawValue, at: start + 13)
    frame.set(header.window, at: start + 14)
    frame.set(UInt32(0), at: start + 16)  // checksum and urgent pointer
    var checksum = InternetChecksum()
    checksum.addPseudoHeader(
      source: header.source.address, destination: header.destination.address,
      protocolNumber: IPv4Header.ProtocolNumber.tcp, length: length)
    if offload.transmitChecksum {
      frame.set(checksum.folded, at: start + 16)
      return FrameMetadata(
        needsChecksum: true, checksumStart: UInt16(start), checksumOffset: 16,
        gsoSize: UInt16(truncatingIfNeeded: gsoSize),
        headerLength: gsoSize > 0 ? UInt16(start + header.headerLength) : 0)
    }
    checksum.add(frame.bytes(from: start, count: length))
    frame.set(checksum.complement, at: start + 16)
    return FrameMetadata()
  }
}
