/// Parts of ICMP (RFC 792) that the stack speaks: echo, and destination unreachable in both directions.
enum ICMP {
  static let headerLength = 8

  enum MessageType {
    static let echoReply: UInt8 = 0
    static let destinationUnreachable: UInt8 = 3
    static let echoRequest: UInt8 = 8
  }

  /// Codes of destination unreachable.
  enum UnreachableCode: UInt8 {
    case network = 0
    case host = 1
    case `protocol` = 2
    case port = 3
    case fragmentationNeeded = 4
  }
}

extension ProtocolEngine {
  func receiveICMP(_ bytes: PacketBytes, _ header: IPv4Header, isBroadcast: Bool) {
    guard bytes.count >= ICMP.headerLength else {
      statistics.malformed &+= 1
      return
    }
    var checksum = InternetChecksum()
    checksum.add(bytes)
    guard checksum.complement == 0 else {
      statistics.badChecksums &+= 1
      return
    }
    switch bytes.uint8(at: 0) {
    case ICMP.MessageType.echoRequest:
      // Broadcast echoes are left unanswered, lest we amplify an attack (RFC 1122 section 3.2.2.6 permits it).
      if !isBroadcast { answerEcho(bytes, header) }
    case ICMP.MessageType.destinationUnreachable:
      receiveUnreachable(
        code: bytes.uint8(at: 1), mtu: bytes.uint16(at: 6), about: bytes.slice(from: ICMP.headerLength))
    default: break
    }
  }

  private func answerEcho(_ request: PacketBytes, _ header: IPv4Header) {
    guard let address, request.count <= maximumTransmissionUnit - IPv4Header.length else { return }
    let start = EthernetHeader.length + IPv4Header.length
    frame.copy(request, to: start)
    frame.set(ICMP.MessageType.echoReply, at: start)
    frame.set(UInt8(0), at: start + 1)
    completeICMPChecksum(length: request.count)
    statistics.echoesAnswered &+= 1
    _ = sendIPv4(
      from: address, to: header.source, protocolNumber: IPv4Header.ProtocolNumber.icmp, payloadLength: request.count)
  }

  /// Tells the sender of `packet` that it could not be delivered, unless RFC 1122 section 3.2.2 forbids to.
  func sendUnreachable(
    _ code: ICMP.UnreachableCode, about packet: PacketBytes, _ header: IPv4Header, isBroadcast: Bool
  ) {
    guard !isBroadcast, header.source != .unspecified, let address, icmpErrorBudget.allows(at: now) else { return }
    // The offending header and eight bytes more (RFC 792); longer quotations are of no use to anybody here.
    let quoted = packet.slice(from: 0, count: min(header.totalLength, header.headerLength + 8))
    let start = EthernetHeader.length + IPv4Header.length
    frame.set(ICMP.MessageType.destinationUnreachable, at: start)
    frame.set(code.rawValue, at: start + 1)
    frame.set(UInt16(0), at: start + 2)
    frame.set(UInt32(0), at: start + 4)
    frame.copy(quoted, to: start + ICMP.headerLength)
    let length = ICMP.headerLength + quoted.count
    completeICMPChecksum(length: length)
    statistics.icmpErrorsSent &+= 1
    _ = sendIPv4(
      from: address, to: header.source, protocolNumber: IPv4Header.ProtocolNumber.icmp, payloadLength: length)
  }

  /// Passes an error to the TCP connection whose packet it quotes; for UDP it is only a hint and ignored.
  private func receiveUnreachable(code: UInt8, mtu: UInt16, about quoted: PacketBytes) {
    guard quoted.count >= IPv4Header.length + 8 else {
      statistics.malformed &+= 1
      return
    }
    let headerLength = Int(quoted.uint8(at: 0) & 15) * 4
    guard headerLength >= IPv4Header.length, quoted.count >= headerLength + 8,
      quoted.uint8(at: 9) == IPv4Header.ProtocolNumber.tcp
    else { return }
    let local = Endpoint(address: quoted.address(at: 12), port: quoted.uint16(at: headerLength))
    let remote = Endpoint(address: quoted.address(at: 16), port: quoted.uint16(at: headerLength + 2))
    connectionUnreachable(
      local: local, remote: remote, sequence: SequenceNumber(quoted.uint32(at: headerLength + 4)), code: code, mtu: mtu)
  }

  private func completeICMPChecksum(length: Int) {
    let start = EthernetHeader.length + IPv4Header.length
    frame.set(UInt16(0), at: start + 2)
    var checksum = InternetChecksum()
    checksum.add(frame.bytes(from: start, count: length))
    frame.set(checksum.complement, at: start + 2)
  }
}
