/// One 512-byte header, taken apart (POSIX.1-2024 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
struct UstarHeader {
  /// What a header says follows.
  enum Kind: Equatable {
    case regularFile
    case hardLink
    case symbolicLink
    case directory
    /// Devices, FIFOs, labels: nothing that a reader of files wants.
    case other
    /// pax records for the next member.
    case extendedHeader
    /// pax records for all members from here on.
    case globalHeader
    /// GNU: the path of the next member.
    case longName
    /// GNU: the link target of the next member.
    case longLink
  }

  var kind: Kind
  var size: UInt64
  var modificationTime: Int64
  /// Bytes of the header that hold the first part of the path (POSIX archives only; else empty).
  var prefix: Range<Int>
  /// Bytes of the header that hold the path.
  var name: Range<Int>
  /// Bytes of the header that hold the link's target.
  var linkName: Range<Int>

  private static let checksumField = 148..<156

  /// True when all bytes are zero, as in the blocks that end an archive.
  static func isBlank(_ block: Span<UInt8>) -> Bool {
    for index in block.indices where block[index] != 0 { return false }
    return true
  }

  /// Takes apart `block`, which has 512 bytes and is not blank.
  init(_ block: Span<UInt8>) throws(UstarProblem) {
    try Self.checkSum(of: block)
    let isPOSIX = Self.matches(block, at: 257, "ustar\0")
    prefix = isPOSIX ? Self.text(block, 345..<500) : 345..<345
    name = Self.text(block, 0..<100)
    linkName = Self.text(block, 157..<257)
    let flag = block[156]
    kind = try Self.kind(flag: flag, nameEndsInSlash: !name.isEmpty && block[name.upperBound - 1] == Bytes.slash)

    guard let size = Self.number(block, 124..<136), size >= 0 else { throw .badNumber(.size) }
    // Links carry no data, whatever size they state: it is the size of the file that they name.
    self.size = kind == .hardLink ? 0 : UInt64(size)
    guard let time = Self.number(block, 136..<148) else { throw .badNumber(.modificationTime) }
    modificationTime = time
  }

  private static func kind(flag: UInt8, nameEndsInSlash: Bool) throws(UstarProblem) -> Kind {
    switch flag {
    case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
      // Archives older than POSIX mark a directory by its name alone.
      return nameEndsInSlash ? .directory : .regularFile
    case UInt8(ascii: "1"): return .hardLink
    case UInt8(ascii: "2"): return .symbolicLink
    case UInt8(ascii: "5"), UInt8(ascii: "D"): return .directory
    case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"): return .other
    case UInt8(ascii: "x"), UInt8(ascii: "X"): return .extendedHeader
    case UInt8(ascii: "g"): return .globalHeader
    case UInt8(ascii: "L"): return .longName
    case UInt8(ascii: "K"): return .longLink
    case UInt8(ascii: "S"), UInt8(ascii: "M"): throw .unsupportedMember(typeFlag: flag)
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): return .other
    default: return .regularFile  // What POSIX asks for types that a reader does not know.
    }
  }

  /// Adds up the header's bytes, the checksum field counted as spaces. Old programs added signed bytes; both pass.
  private static func checkSum(of block: Span<UInt8>) throws(UstarProblem) {
    guard let stated = number(block, checksumField), stated >= 0 else { throw .badNumber(.checksum) }
    var unsignedSum: Int64 = 0
    var signedSum: Int64 = 0
    for index in block.indices {
      let byte = checksumField.contains(index) ? UInt8(ascii: " ") : block[index]
      unsignedSum += Int64(byte)
      signedSum += Int64(Int8(bitPattern: byte))
    }
    if stated != unsignedSum, stated != signedSum {
      throw .badChecksum(stated: UInt64(stated), computed: UInt64(unsignedSum))
    }
  }

  /// The bytes of a text field: to its first NUL, or all.
  private static func text(_ block: Span<UInt8>, _ field: Range<Int>) -> Range<Int> {
    var end = field.lowerBound
    while end < field.upperBound, block[end] != 0 { end += 1 }
    return field.lowerBound..<end
  }

  private static func matches(_ block: Span<UInt8>, at start: Int, _ text: StaticString) -> Bool {
    start + text.utf8CodeUnitCount <= block.count
      && Bytes.equal(block.extracting(start..<(start + text.utf8CodeUnitCount)), text)
  }

  /// A number field: octal digits between spaces and a terminator, or GNU's base-256 (first bit set, two's complement).
  private static func number(_ block: Span<UInt8>, _ field: Range<Int>) -> Int64? {
    if block[field.lowerBound] & 0x80 != 0 { return base256(block, field) }
    var index = field.lowerBound
    while index < field.upperBound, block[index] == UInt8(ascii: " ") { index += 1 }
    var value: Int64 = 0
    while index < field.upperBound, block[index] != UInt8(ascii: " "), block[index] != 0 {
      guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(block[index]) else { return nil }
      // Twelve digits at most: 36 bits.
      value = value << 3 | Int64(block[index] - UInt8(ascii: "0"))
      index += 1
    }
    return value
  }

  private static func base256(_ block: Span<UInt8>, _ field: Range<Int>) -> Int64? {
    // The first byte's high bit marks the format; the bit after it is the sign.
    let isNegative = block[field.lowerBound] & 0x40 != 0
    var value: Int64 = isNegative ? -1 : 0
    for index in field {
      let byte = index == field.lowerBound ? (block[index] & 0x7F | (isNegative ? 0x80 : 0)) : block[index]
      // The eight bits that fall out must all be copies of the sign.
      guard value >> 55 == (isNegative ? -1 : 0) else { return nil }
      value = value << 8 | Int64(byte)
    }
    return value
  }
}
