/// The control bits of a TCP header that the stack uses.
struct SegmentFlags: OptionSet {
  let rawValue: UInt8

  static let fin = SegmentFlags(rawValue: 0x01)
  static let syn = SegmentFlags(rawValue: 0x02)
  static let rst = SegmentFlags(rawValue: 0x04)
  static let psh = SegmentFlags(rawValue: 0x08)
  static let ack = SegmentFlags(rawValue: 0x10)
}

/// A received TCP segment, decoded (RFC 9293 section 3.1).
struct Segment {
  static let headerLength = 20
  /// Header, MSS option, padding byte and window-scale option.
  static let longestHeaderSent = 28

  let sourcePort: UInt16
  let destinationPort: UInt16
  let sequence: SequenceNumber
  let acknowledgment: SequenceNumber
  let flags: SegmentFlags
  /// The window field as it stands; scaled by the connection, except in SYN segments.
  let window: UInt16
  let payload: PacketBytes
  /// The MSS option.
  private(set) var maximumSegmentSize: UInt16?
  /// The window-scale option, at most 14 (RFC 7323 section 2.3).
  private(set) var windowScale: UInt8?
  /// Payload bytes per segment as it was sent, if the frame was merged of several.
  let mergedSegmentSize: Int?

  /// Decodes a segment; nil if its lengths contradict each other. The checksum is not looked at.
  init?(parsing bytes: PacketBytes, _ metadata: FrameMetadata) {
    guard bytes.count >= Self.headerLength else { return nil }
    let headerLength = Int(bytes.uint8(at: 12) >> 4) * 4
    guard headerLength >= Self.headerLength, headerLength <= bytes.count else { return nil }
    sourcePort = bytes.uint16(at: 0)
    destinationPort = bytes.uint16(at: 2)
    sequence = SequenceNumber(bytes.uint32(at: 4))
    acknowledgment = SequenceNumber(bytes.uint32(at: 8))
    flags = SegmentFlags(rawValue: bytes.uint8(at: 13))
    window = bytes.uint16(at: 14)
    payload = bytes.slice(from: headerLength)
    mergedSegmentSize = metadata.gsoSize > 0 ? Int(metadata.gsoSize) : nil
    // Only SYN segments carry options that matter here.
    if flags.contains(.syn) {
      parseOptions(bytes.slice(from: Self.headerLength, count: headerLength - Self.headerLength))
    }
  }

  /// Octets of sequence space the segment occupies.
  var length: Int { payload.count + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0) }

  /// A malformed option ends the list; what was understood before stays.
  private mutating func parseOptions(_ options: PacketBytes) {
    var offset = 0
    while offset < options.count {
      let kind = options.uint8(at: offset)
      if kind == 0 { return }
      if kind == 1 {
        offset += 1
        continue
      }
      guard offset + 1 < options.count else { return }
      let length = Int(options.uint8(at: offset + 1))
      guard length >= 2, offset + length <= options.count else { return }
      if kind == 2, length == 4 { maximumSegmentSize = options.uint16(at: offset + 2) }
      if kind == 3, length == 3 { windowScale = min(options.uint8(at: offset + 2), 14) }
      offset += length
    }
  }
}
