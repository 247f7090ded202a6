/// An IEEE 802 MAC address of six bytes.
public struct MACAddress: Equatable, Sendable {
  /// The address in the lower 48 bits, first byte on the wire most significant.
  let value: UInt64

  init(value: UInt64) { self.value = value & 0xFFFF_FFFF_FFFF }

  /// Makes an address of its six bytes, in the order of the wire.
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, _ e: UInt8, _ f: UInt8) {
    let high = UInt64(a) << 40 | UInt64(b) << 32 | UInt64(c) << 24
    value = high | UInt64(d) << 16 | UInt64(e) << 8 | UInt64(f)
  }

  /// Makes an address of six bytes, or nil if `bytes` holds another number of bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == 6 else { return nil }
    self.init(bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5])
  }

  /// Parses `xx:xx:xx:xx:xx:xx` (one or two hexadecimal digits per byte) from ASCII bytes; nil if malformed.
  public init?(parsing text: [UInt8]) {
    var value: UInt64 = 0
    var byte: UInt64 = 0
    var digits = 0
    var fields = 1
    for character in text {
      if character == UInt8(ascii: ":") {
        guard digits > 0, fields < 6 else { return nil }
        value = value << 8 | byte
        byte = 0
        digits = 0
        fields += 1
      } else {
        guard digits < 2, let digit = hexadecimalValue(character) else { return nil }
        byte = byte << 4 | UInt64(digit)
        digits += 1
      }
    }
    guard fields == 6, digits > 0 else { return nil }
    self.value = value << 8 | byte
  }

  /// The six bytes in the order of the wire.
  public var bytes: [UInt8] {
    [0, 1, 2, 3, 4, 5].map { UInt8(truncatingIfNeeded: value >> (40 - 8 * $0)) }
  }

  /// The address of all stations, ff:ff:ff:ff:ff:ff.
  public static let broadcast = MACAddress(value: 0xFFFF_FFFF_FFFF)

  /// Whether the group bit is set (multicast, and broadcast too), IEEE 802-2014 section 8.2.
  public var isGroup: Bool { value & 0x0100_0000_0000 != 0 }
}

extension MACAddress: CustomStringConvertible {
  /// The address as `xx:xx:xx:xx:xx:xx`.
  public var description: String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if index > 0 { text += ":" }
      text += hexadecimalDigit(byte >> 4) + hexadecimalDigit(byte & 15)
    }
    return text
  }
}

/// An IPv4 address (RFC 791).
public struct IPv4Address: Equatable, Sendable {
  /// The address as a number, first octet most significant.
  public let value: UInt32

  /// Makes an address of its number, first octet most significant.
  public init(value: UInt32) { self.value = value }

  /// Makes an address of its four octets, in the order they are written.
  public init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
    value = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
  }

  /// Parses the dotted-decimal form with exactly four fields of 0 to 255 from ASCII bytes; nil if malformed.
  public init?(parsing text: [UInt8]) {
    var value: UInt32 = 0
    var octet: UInt32 = 0
    var digits = 0
    var fields = 1
    for character in text {
      if character == UInt8(ascii: ".") {
        guard digits > 0, fields < 4 else { return nil }
        value = value << 8 | octet
        octet = 0
        digits = 0
        fields += 1
      } else {
        guard character >= UInt8(ascii: "0"), character <= UInt8(ascii: "9"), digits < 3 else { return nil }
        octet = octet * 10 + UInt32(character - UInt8(ascii: "0"))
        guard octet <= 255 else { return nil }
        digits += 1
      }
    }
    guard fields == 4, digits > 0 else { return nil }
    self.value = value << 8 | octet
  }

  /// The four octets in the order they are written.
  public var bytes: [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }

  /// 0.0.0.0, "this host" before it knows its address.
  public static let unspecified = IPv4Address(value: 0)
  /// 255.255.255.255, all hosts of the link.
  public static let broadcast = IPv4Address(value: 0xFFFF_FFFF)

  /// Whether it is in 224.0.0.0/4 (RFC 5771).
  public var isMulticast: Bool { value >> 28 == 0xE }
  /// Whether it is in 127.0.0.0/8, which must not appear on a link (RFC 1122 section 3.2.1.3).
  public var isLoopback: Bool { value >> 24 == 127 }
}

extension IPv4Address: CustomStringConvertible {
  /// The address in dotted-decimal form.
  public var description: String {
    let octets = bytes
    return "\(octets[0]).\(octets[1]).\(octets[2]).\(octets[3])"
  }
}

/// One end of a TCP connection or UDP exchange: an address and a port.
public struct Endpoint: Equatable, Sendable {
  /// The IPv4 address.
  public var address: IPv4Address
  /// The port, 1 to 65535 for a usable endpoint.
  public var port: UInt16

  /// Makes an endpoint.
  public init(address: IPv4Address, port: UInt16) {
    self.address = address
    self.port = port
  }
}

extension Endpoint: CustomStringConvertible {
  /// The endpoint as `address:port`.
  public var description: String { "\(address.description):\(port)" }
}

/// The address of an interface with the prefix of its link and the router that leads elsewhere.
public struct InterfaceAddress: Equatable, Sendable {
  /// The address of the interface.
  public var address: IPv4Address
  /// Length of the link's prefix, 0 to 32.
  public var prefixLength: UInt8
  /// The default router, if there is one.
  public var gateway: IPv4Address?

  /// Makes an interface address; prefix lengths above 32 count as 32.
  public init(address: IPv4Address, prefixLength: UInt8, gateway: IPv4Address? = nil) {
    self.address = address
    self.prefixLength = min(prefixLength, 32)
    self.gateway = gateway
  }

  /// The prefix as a mask, such as 255.255.255.0.
  public var mask: IPv4Address {
    IPv4Address(value: prefixLength == 0 ? 0 : UInt32.max << (32 - UInt32(min(prefixLength, 32))))
  }

  /// The directed broadcast address of the link; nil for prefixes of 31 and 32 bits, which have none (RFC 3021).
  var directedBroadcast: IPv4Address? {
    prefixLength >= 31 ? nil : IPv4Address(value: address.value | ~mask.value)
  }

  /// Whether `other` is reached on the link itself.
  func isOnLink(_ other: IPv4Address) -> Bool { (other.value ^ address.value) & mask.value == 0 }
}

private func hexadecimalValue(_ character: UInt8) -> UInt8? {
  switch character {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
  default: nil
  }
}

private func hexadecimalDigit(_ nibble: UInt8) -> String {
  String(UnicodeScalar(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10))
}
