/// A 64-bit little-endian ELF file, believed to be well-formed: the tests read what was built with them.
struct ELFFile {
  /// One program header.
  struct Segment {
    let type: Int
    let flags: Int
    /// Place in the file.
    let offset: Int
    /// Bytes in the file.
    let size: Int
    let address: UInt64
  }

  private let image: [UInt8]

  init(_ image: [UInt8]) { self.image = image }

  /// The number of `byteCount` bytes at `offset`.
  func value(_ offset: Int, _ byteCount: Int) -> Int {
    Int(truncatingIfNeeded: word(offset, byteCount))
  }

  private func word(_ offset: Int, _ byteCount: Int) -> UInt64 {
    (0..<byteCount).reduce(0) { $0 | UInt64(image[offset + $1]) << UInt64(8 * $1) }
  }

  var segments: [Segment] {
    let table = value(32, 8)
    return (0..<value(56, 2)).map { index in
      let header = table + index * value(54, 2)
      return Segment(
        type: value(header, 4), flags: value(header + 4, 4), offset: value(header + 8, 8), size: value(header + 32, 8),
        address: word(header + 16, 8))
    }
  }

  /// Where the byte at virtual `address` is in the file.
  func offset(of address: UInt64) -> Int? {
    let segment = segments.first {
      $0.type == 1 && address >= $0.address && address - $0.address < UInt64($0.size)
    }
    return segment.map { $0.offset + Int(address - $0.address) }
  }
}
