import ExokernelABI

/// The boot archive: programs as files of a ustar archive (POSIX.1-2017, pax, "ustar Interchange Format") in memory.
public struct Archive {
  let bytes: PhysicalBytes

  /// Most headers that a search looks at.
  static var limit: Int { 512 }

  /// Offset and size of the file `name`, given as a range of `names`; nil where there is none, or the archive is
  /// malformed before it.
  func find(_ name: Range<UInt64>, of names: PhysicalBytes) -> Range<UInt64>? {
    var offset: UInt64 = 0
    for _ in 0..<Self.limit {
      guard let data = data(ofHeaderAt: offset) else { return nil }
      let type = bytes[offset &+ 156]
      if type == 0x30 || type == 0, isNamed(name, of: names, at: offset) { return data }
      offset = (data.upperBound &+ 511) & ~511
    }
    return nil
  }

  /// Why a file was not found.
  var whyNotFound: LoadError {
    if bytes.count == 0 { return .noArchive }
    if isCompressed { return .compressedArchive }
    return isWellFormed ? .notFound : .badArchive
  }

  /// Whether headers lead from the first to one that a zero block or the archive's end follows; looks at `limit` of
  /// them. For whoever has not found a file and wants to say why.
  var isWellFormed: Bool {
    var offset: UInt64 = 0
    for _ in 0..<Self.limit {
      guard let data = data(ofHeaderAt: offset) else {
        return offset > 0 && (offset >= bytes.count || bytes[offset] == 0)
      }
      offset = (data.upperBound &+ 511) & ~511
    }
    return true
  }

  /// Whether it starts as gzip (RFC 1952), xz, zstd (RFC 8878) or bzip2 files do.
  var isCompressed: Bool {
    let start = bytes.load(UInt32.self, at: 0)
    return start & 0xffff == 0x8b1f || start == 0x587a_37fd || start == 0xfd2f_b528 || start & 0xff_ffff == 0x68_5a42
  }

  /// Where the data of the file lies whose header is at `offset`; nil where there is no header, or the data pass the
  /// archive's end.
  private func data(ofHeaderAt offset: UInt64) -> Range<UInt64>? {
    guard offset &+ 512 <= bytes.count, bytes[offset] != 0,
      bytes.load(UInt64.self, at: offset &+ 257) & 0xff_ffff_ffff == Self.magic
    else { return nil }
    let start = offset &+ 512
    let size = size(ofHeaderAt: offset)
    return size <= bytes.count &- start ? start..<start &+ size : nil
  }

  /// "ustar".
  private static var magic: UInt64 { 0x72_6174_7375 }

  /// The size in a header: eleven octal digits, or fewer before something else.
  private func size(ofHeaderAt offset: UInt64) -> UInt64 {
    var size: UInt64 = 0
    for digit in 124..<UInt64(135) {
      let byte = bytes[offset &+ digit]
      guard byte >= 0x30, byte <= 0x37 else { break }
      size = size &<< 3 | UInt64(byte &- 0x30)
    }
    return size
  }

  private func isNamed(_ name: Range<UInt64>, of names: PhysicalBytes, at offset: UInt64) -> Bool {
    // Archives made with `tar -C DIR .` say "./name".
    let start = bytes.matches("./", at: offset) ? offset &+ 2 : offset
    let length = name.upperBound &- name.lowerBound
    guard length > 0, length < 98, bytes[start &+ length] == 0 else { return false }
    var index: UInt64 = 0
    while index < length {
      guard bytes[start &+ index] == names[name.lowerBound &+ index] else { return false }
      index &+= 1
    }
    return true
  }
}
