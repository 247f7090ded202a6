/// Reads a section of an ELF file from front to back. Behind the end everything reads as zero and `isAtEnd` is true:
/// damaged files end in wrong names, never in a trap.
struct ByteReader {
  private let bytes: ArraySlice<UInt8>
  /// Bytes from the section's start.
  private(set) var offset: Int

  init(_ bytes: ArraySlice<UInt8>, at offset: Int = 0) {
    self.bytes = bytes
    self.offset = max(0, min(offset, bytes.count))
  }

  var isAtEnd: Bool { offset >= bytes.count }

  mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value {
    let size = MemoryLayout<Value>.size
    guard offset <= bytes.count - size else {
      offset = bytes.count
      return 0
    }
    var value: Value = 0
    for index in 0..<size {
      value |= Value(truncatingIfNeeded: bytes[bytes.startIndex + offset + index]) << (8 * index)
    }
    offset += size
    return value
  }

  /// An unsigned number of seven bits a byte (DWARF 4, section 7.6); bits above 64 are lost.
  mutating func unsigned() -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte: UInt8 = integer()
      if shift < 64 { value |= UInt64(byte & 0x7f) << shift }
      shift += 7
      if byte & 0x80 == 0 || isAtEnd { return value }
    }
  }

  /// The same with a sign.
  mutating func signed() -> Int64 {
    var value: Int64 = 0
    var shift: Int64 = 0
    while true {
      let byte: UInt8 = integer()
      if shift < 64 { value |= Int64(byte & 0x7f) << shift }
      shift += 7
      if byte & 0x80 == 0 || isAtEnd {
        return byte & 0x40 != 0 && shift < 64 ? value | (-1 << shift) : value
      }
    }
  }

  /// A text up to a zero byte.
  mutating func text() -> String {
    let rest = bytes.dropFirst(offset).prefix { $0 != 0 }
    offset = min(bytes.count, offset + rest.count + 1)
    return String(decoding: rest, as: UTF8.self)
  }

  /// Goes on at `offset` of the section.
  mutating func move(to offset: Int) { self.offset = max(self.offset, min(offset, bytes.count)) }
  mutating func skip(_ count: UInt64) { offset = Int(min(UInt64(bytes.count), UInt64(offset).addingClamped(count))) }

  /// The rest up to `end`.
  func limited(to end: Int) -> ByteReader {
    ByteReader(bytes.prefix(max(offset, min(end, bytes.count))), at: offset)
  }
}

extension UInt64 {
  /// The sum, or the greatest number where it is greater.
  func addingClamped(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
