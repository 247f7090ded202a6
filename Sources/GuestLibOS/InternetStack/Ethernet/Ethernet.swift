/// The header of an Ethernet II frame (RFC 894).
struct EthernetHeader {
  static let length = 14

  /// The protocol inside a frame.
  enum EtherType {
    static let ipv4: UInt16 = 0x0800
    static let arp: UInt16 = 0x0806
  }
}

extension ProtocolEngine {
  func receiveEthernet(_ bytes: PacketBytes, _ metadata: FrameMetadata) {
    guard bytes.count >= EthernetHeader.length else {
      statistics.malformed &+= 1
      return
    }
    let destination = bytes.hardwareAddress(at: 0)
    let source = bytes.hardwareAddress(at: 6)
    guard destination == hardwareAddress || destination == .broadcast, source != hardwareAddress, !source.isGroup else {
      statistics.framesIgnored &+= 1
      return
    }
    let payload = bytes.slice(from: EthernetHeader.length)
    switch bytes.uint16(at: 12) {
    case EthernetHeader.EtherType.ipv4:
      receiveIPv4(payload, metadata, linkBroadcast: destination == .broadcast)
    case EthernetHeader.EtherType.arp: receiveARP(payload)
    default: statistics.framesIgnored &+= 1
    }
  }

  func writeEthernetHeader(in frame: FrameBuffer, to destination: MACAddress, type: UInt16) {
    frame.set(destination, at: 0)
    frame.set(hardwareAddress, at: 6)
    frame.set(type, at: 12)
  }
}
