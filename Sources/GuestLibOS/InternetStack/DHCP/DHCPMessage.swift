/// A DHCP message (RFC 2131 section 2) with the options (RFC 2132) that the client and the server here use.
struct DHCPMessage: Equatable {
  /// The DHCP message type option.
  enum Kind: UInt8 {
    case discover = 1
    case offer = 2
    case request = 3
    case decline = 4
    case acknowledge = 5
    case refuse = 6
    case release = 7
    case inform = 8
  }

  static let serverPort: UInt16 = 67
  static let clientPort: UInt16 = 68
  /// Length of the fixed part, with the magic cookie.
  static let fixedLength = 240
  /// Messages are padded to this length, the least a BOOTP relay or server must take.
  static let paddedLength = 300
  private static let magicCookie: UInt32 = 0x6382_5363

  var isReply: Bool
  var kind: Kind
  var transaction: UInt32
  var broadcastFlag = false
  var clientAddress = IPv4Address.unspecified
  var yourAddress = IPv4Address.unspecified
  var relay = IPv4Address.unspecified
  var hardwareAddress: MACAddress
  var requestedAddress: IPv4Address?
  var server: IPv4Address?
  var subnetMask: IPv4Address?
  var router: IPv4Address?
  var nameServer: IPv4Address?
  var leaseSeconds: UInt32?
  var renewalSeconds: UInt32?
  var rebindingSeconds: UInt32?

  init(isReply: Bool, kind: Kind, transaction: UInt32, hardwareAddress: MACAddress) {
    self.isReply = isReply
    self.kind = kind
    self.transaction = transaction
    self.hardwareAddress = hardwareAddress
  }

  /// Decodes a message; nil if it is malformed or has no message type.
  init?(parsing bytes: PacketBytes) {
    guard bytes.count >= Self.fixedLength, bytes.uint8(at: 0) == 1 || bytes.uint8(at: 0) == 2, bytes.uint8(at: 1) == 1,
      bytes.uint8(at: 2) == 6, bytes.uint32(at: 236) == Self.magicCookie
    else { return nil }
    self.init(
      isReply: bytes.uint8(at: 0) == 2, kind: .discover, transaction: bytes.uint32(at: 4),
      hardwareAddress: bytes.hardwareAddress(at: 28))
    broadcastFlag = bytes.uint16(at: 10) & 0x8000 != 0
    clientAddress = bytes.address(at: 12)
    yourAddress = bytes.address(at: 16)
    relay = bytes.address(at: 24)
    var found: Kind?
    var offset = Self.fixedLength
    while offset < bytes.count {
      let code = bytes.uint8(at: offset)
      if code == 255 { break }
      if code == 0 {
        offset += 1
        continue
      }
      guard offset + 1 < bytes.count else { return nil }
      let length = Int(bytes.uint8(at: offset + 1))
      guard offset + 2 + length <= bytes.count else { return nil }
      let value = bytes.slice(from: offset + 2, count: length)
      if code == 53, length == 1 { found = Kind(rawValue: value.uint8(at: 0)) }
      if length >= 4 { takeOption(code, value) }
      offset += 2 + length
    }
    guard let found else { return nil }
    kind = found
  }

  private mutating func takeOption(_ code: UInt8, _ value: PacketBytes) {
    switch code {
    case 1: subnetMask = value.address(at: 0)
    case 3: router = value.address(at: 0)
    case 6: nameServer = value.address(at: 0)
    case 50: requestedAddress = value.address(at: 0)
    case 51: leaseSeconds = value.uint32(at: 0)
    case 54: server = value.address(at: 0)
    case 58: renewalSeconds = value.uint32(at: 0)
    case 59: rebindingSeconds = value.uint32(at: 0)
    default: break
    }
  }

  /// Writes the message to `start` in `frame` and returns its length, at most `paddedLength`.
  func write(to frame: FrameBuffer, at start: Int) -> Int {
    frame.clear(from: start, count: Self.paddedLength)
    frame.set(UInt8(isReply ? 2 : 1), at: start)
    frame.set(UInt16(0x0106), at: start + 1)
    frame.set(transaction, at: start + 4)
    frame.set(UInt16(broadcastFlag ? 0x8000 : 0), at: start + 10)
    frame.set(clientAddress, at: start + 12)
    frame.set(yourAddress, at: start + 16)
    frame.set(relay, at: start + 24)
    frame.set(hardwareAddress, at: start + 28)
    frame.set(Self.magicCookie, at: start + 236)
    var offset = start + Self.fixedLength
    frame.set(UInt16(0x3501), at: offset)
    frame.set(kind.rawValue, at: offset + 2)
    offset += 3
    // At most nine options of six bytes follow: all stays within the padded length.
    func option(_ code: UInt8, _ value: UInt32?) {
      guard let value else { return }
      frame.set(UInt16(code) << 8 | 4, at: offset)
      frame.set(value, at: offset + 2)
      offset += 6
    }
    option(50, requestedAddress?.value)
    option(54, server?.value)
    option(51, leaseSeconds)
    option(58, renewalSeconds)
    option(59, rebindingSeconds)
    option(1, subnetMask?.value)
    option(3, router?.value)
    option(6, nameServer?.value)
    if !isReply, kind == .discover || kind == .request {
      // Parameter request list: subnet mask, router, name server.
      frame.set(UInt16(0x3703), at: offset)
      frame.set(UInt16(0x0103), at: offset + 2)
      frame.set(UInt8(6), at: offset + 4)
      offset += 5
    }
    frame.set(UInt8(255), at: offset)
    return Self.paddedLength
  }
}
