/// An Ethernet address.
public struct MACAddress: Equatable, Sendable, CustomStringConvertible {
  /// The six bytes in the order on the wire.
  public let bytes: [UInt8]

  /// The address with these bytes, or nil unless there are six and they name one station (no group address, not zero).
  public init?(bytes: [UInt8]) {
    guard bytes.count == 6, bytes[0] & 1 == 0, bytes.contains(where: { $0 != 0 }) else { return nil }
    self.bytes = bytes
  }

  /// A locally administered address that is the same for the same `index`: 52:54:00 and the index's low 24 bits.
  public init(index: UInt32) {
    bytes = [0x52, 0x54, 0x00] + [16, 8, 0].map { UInt8(truncatingIfNeeded: index >> $0) }
  }

  /// The usual notation, for example 52:54:00:00:00:01.
  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}
