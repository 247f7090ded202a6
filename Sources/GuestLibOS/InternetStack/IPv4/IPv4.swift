/// The header of an IPv4 packet (RFC 791).
struct IPv4Header {
  /// Length of a header without options, as the stack sends it.
  static let length = 20

  /// Protocols inside IPv4.
  enum ProtocolNumber {
    static let icmp: UInt8 = 1
    static let tcp: UInt8 = 6
    static let udp: UInt8 = 17
  }

  var headerLength: Int
  var totalLength: Int
  var isFragment: Bool
  var protocolNumber: UInt8
  var source: IPv4Address
  var destination: IPv4Address

  /// Decodes the header; nil if the lengths contradict each other or the packet. The checksum is not looked at.
  init?(parsing bytes: PacketBytes) {
    guard bytes.count >= Self.length else { return nil }
    let versionAndLength = bytes.uint8(at: 0)
    headerLength = Int(versionAndLength & 15) * 4
    totalLength = Int(bytes.uint16(at: 2))
    guard versionAndLength >> 4 == 4, headerLength >= Self.length, totalLength >= headerLength,
      totalLength <= bytes.count
    else { return nil }
    // More-fragments flag or a fragment offset.
    isFragment = bytes.uint16(at: 6) & 0x3FFF != 0
    protocolNumber = bytes.uint8(at: 9)
    source = bytes.address(at: 12)
    destination = bytes.address(at: 16)
  }
}

/// What became of a packet handed to the IPv4 layer.
enum SendResult {
  case sent
  /// Kept until ARP has resolved the next hop.
  case parked
  case linkFull
  case unreachable
  /// There was no room to keep it while ARP resolves the next hop.
  case dropped
}

extension ProtocolEngine {
  func receiveIPv4(_ bytes: PacketBytes, _ metadata: FrameMetadata, linkBroadcast: Bool) {
    guard let header = IPv4Header(parsing: bytes) else {
      statistics.malformed &+= 1
      return
    }
    var checksum = InternetChecksum()
    checksum.add(bytes.slice(from: 0, count: header.headerLength))
    guard checksum.complement == 0 else {
      statistics.badChecksums &+= 1
      return
    }
    guard isAcceptable(source: header.source) else {
      statistics.malformed &+= 1
      return
    }
    let forAll = header.destination == .broadcast || header.destination == interface?.directedBroadcast
    // While DHCP is looking for an address, its server may send to the address it offers (RFC 2131 section 4.1).
    let forNobodyYet = interface == nil && header.protocolNumber == IPv4Header.ProtocolNumber.udp
    guard forAll || forNobodyYet || header.destination == interface?.address else {
      statistics.framesIgnored &+= 1
      return
    }
    // RFC 1122 section 3.3.6: a link-layer broadcast must be an IP broadcast.
    guard forAll || forNobodyYet || !linkBroadcast else {
      statistics.framesIgnored &+= 1
      return
    }
    if header.isFragment {
      statistics.fragmentsDropped &+= 1
      return
    }
    // What follows the total length is padding of the frame.
    let payload = bytes.slice(from: header.headerLength, count: header.totalLength - header.headerLength)
    switch header.protocolNumber {
    case IPv4Header.ProtocolNumber.icmp: receiveICMP(payload, header, isBroadcast: forAll)
    case IPv4Header.ProtocolNumber.udp: receiveUDP(payload, packet: bytes, header, metadata, isBroadcast: forAll)
    case IPv4Header.ProtocolNumber.tcp:
      // TCP is between two hosts; a broadcast one is an attack or an error (RFC 9293, MUST-57).
      if forAll { statistics.framesIgnored &+= 1 } else { receiveTCP(payload, header, metadata) }
    default:
      statistics.framesIgnored &+= 1
      sendUnreachable(.protocol, about: bytes, header, isBroadcast: forAll)
    }
  }

  /// Whether a packet may come from `source` at all (RFC 1122 section 3.2.1.3).
  private func isAcceptable(source: IPv4Address) -> Bool {
    if source.isMulticast || source == .broadcast || source.isLoopback { return false }
    guard let interface else { return true }
    return source != interface.address && source != interface.directedBroadcast
  }

  /// Writes an IPv4 header in front of a payload that lies behind it in `frame`.
  func writeIPv4Header(
    source: IPv4Address, destination: IPv4Address, protocolNumber: UInt8, payloadLength: Int
  ) {
    let start = EthernetHeader.length
    frame.set(UInt16(0x4500), at: start)
    frame.set(UInt16(truncatingIfNeeded: IPv4Header.length + payloadLength), at: start + 2)
    frame.set(nextIdentification, at: start + 4)
    frame.set(UInt16(0x4000), at: start + 6)  // don't fragment
    frame.set(UInt8(64), at: start + 8)  // time to live
    frame.set(protocolNumber, at: start + 9)
    frame.set(UInt16(0), at: start + 10)
    frame.set(source, at: start + 12)
    frame.set(destination, at: start + 16)
    nextIdentification &+= 1
    var checksum = InternetChecksum()
    checksum.add(frame.bytes(from: start, count: IPv4Header.length))
    frame.set(checksum.complement, at: start + 10)
  }

  /// Sends the payload of UDP or ICMP that lies in `frame` behind the IPv4 header's place, or parks the packet.
  func sendIPv4(
    from source: IPv4Address, to destination: IPv4Address, protocolNumber: UInt8, payloadLength: Int,
    metadata: FrameMetadata = FrameMetadata()
  ) -> SendResult {
    let nextHop = route(to: destination)
    writeIPv4Header(
      source: source, destination: destination, protocolNumber: protocolNumber, payloadLength: payloadLength)
    let length = EthernetHeader.length + IPv4Header.length + payloadLength
    switch nextHop {
    case .ready(let hardware):
      writeEthernetHeader(in: frame, to: hardware, type: EthernetHeader.EtherType.ipv4)
      return emit(length: length, metadata: metadata) ? .sent : .linkFull
    case .resolving(let neighbor):
      writeEthernetHeader(in: frame, to: .broadcast, type: EthernetHeader.EtherType.ipv4)
      if parkedPackets.park(frame.bytes(from: 0, count: length), metadata, nextHop: neighbor) { return .parked }
      statistics.unresolvedDropped &+= 1
      return .dropped
    case .unreachable:
      statistics.unresolvedDropped &+= 1
      return .unreachable
    }
  }
}
