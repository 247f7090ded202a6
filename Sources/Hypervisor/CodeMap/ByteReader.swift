/// Reads a section of an ELF file from front to back. Behind the end everything reads as zero and `isAtEnd` is true:
/// damaged files end in wrong names, never in a trap. Each byte read is a step of the work, if there is a limit to it,
/// and where that is spent is the end, too.
struct ByteReader {
  private let bytes: ArraySlice<UInt8>
  private let work: ReadingWork?
  /// Bytes from the section's start.
  private(set) var offset: Int

  init(_ bytes: ArraySlice<UInt8>, at offset: Int = 0, work: ReadingWork? = nil) {
    self.bytes = bytes
    self.work = work
    self.offset = max(0, min(offset, bytes.count))
  }

  var isAtEnd: Bool { offset >= bytes.count || work?.isSpent == true }

  mutating func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value {
    let size = MemoryLayout<Value>.size
    guard offset <= bytes.count - size, work?.isSpent != true else {
      offset = bytes.count
      return 0
    }
    work?.spend(size)
    var value: Value = 0
    for index in 0..<size {
      value |= Value(truncatingIfNeeded: bytes[bytes.startIndex + offset + index]) << (8 * index)
    }
    offset += size
    return value
  }

  /// One byte: what most of a file is read by.
  private mutating func byte() -> UInt8 {
    guard !isAtEnd else { return 0 }
    work?.spend(1)
    offset += 1
    return bytes[bytes.startIndex + offset - 1]
  }

  /// An unsigned number of seven bits a byte (DWARF 4, section 7.6); bits above 64 are lost.
  mutating func unsigned() -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = byte()
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
      let byte = byte()
      if shift < 64 { value |= Int64(byte & 0x7f) << shift }
      shift += 7
      if byte & 0x80 == 0 || isAtEnd {
        return byte & 0x40 != 0 && shift < 64 ? value | (-1 << shift) : value
      }
    }
  }

  /// Bytes of a text that are kept. No name is longer but those made to be, and those may share their bytes.
  static let textLimit = 4096

  /// A text up to a zero byte, or its first `textLimit` bytes.
  mutating func text() -> String {
    guard !isAtEnd else { return "" }
    let rest = bytes.dropFirst(offset).prefix(work?.left ?? .max).prefix { $0 != 0 }
    offset = min(bytes.count, offset + rest.count + 1)
    work?.spend(rest.count + 1)
    return String(decoding: rest.prefix(Self.textLimit), as: UTF8.self)
  }

  /// The text at this place of a table of strings, of which no more is looked at than is kept.
  func tableText() -> String {
    var reader = limited(to: offset + Self.textLimit)
    return reader.text()
  }

  /// Goes on at `offset` of the section.
  mutating func move(to offset: Int) { self.offset = max(self.offset, min(offset, bytes.count)) }
  mutating func skip(_ count: UInt64) { offset = Int(min(UInt64(bytes.count), UInt64(offset).addingClamped(count))) }

  /// The rest up to `end`.
  func limited(to end: Int) -> ByteReader {
    ByteReader(bytes.prefix(max(offset, min(end, bytes.count))), at: offset, work: work)
  }
}

extension UInt64 {
  /// The sum, or the greatest number where it is greater.
  func addingClamped(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
