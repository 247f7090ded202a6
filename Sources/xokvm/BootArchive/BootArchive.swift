/// Writes boot archives: ustar archives (POSIX.1-2017, pax, "ustar Interchange Format") whose files start on page
/// boundaries, so that the kernel can map programs where they lie. Any tar program reads them.
public struct BootArchive {
  /// Bytes in a block of the archive.
  public static let blockSize = 512
  /// Alignment of the files' contents once the archive lies on a page boundary.
  public static let pageSize = 4096
  /// Longest file name in bytes.
  public static let nameLimit = 97

  private var bytes: [UInt8]

  /// An empty archive.
  public init() { bytes = [] }

  /// Appends a file of `name`, at most `nameLimit` bytes without slashes, after a padding entry where its contents need
  /// one.
  public mutating func append(_ name: String, _ contents: [UInt8]) {
    let gap = (Self.pageSize - (bytes.count + Self.blockSize) % Self.pageSize) % Self.pageSize
    if gap >= Self.blockSize {
      appendHeader(".padding", size: gap - Self.blockSize)
      bytes.append(contentsOf: repeatElement(0, count: gap - Self.blockSize))
    }
    appendHeader(name, size: contents.count)
    bytes.append(contentsOf: contents)
    bytes.append(
      contentsOf: repeatElement(0, count: (Self.blockSize - contents.count % Self.blockSize) % Self.blockSize))
  }

  /// The whole archive, with the two zero blocks that end it.
  public func finished() -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: 2 * Self.blockSize)
  }

  /// Names and contents of the files in `archive`, without padding.
  public static func files(in archive: [UInt8]) -> [(name: String, contents: [UInt8])] {
    places(byteCount: archive.count) { Array(archive[$0]) }.map { ($0.name, Array(archive[$0.range])) }
  }

  /// Names and places of the files, without padding, in an archive of `byteCount` bytes, of which `read` gives those
  /// that are needed; stops at what is no header.
  public static func places(byteCount: Int, read: (Range<Int>) -> [UInt8]) -> [(name: String, range: Range<Int>)] {
    var files: [(name: String, range: Range<Int>)] = []
    var offset = 0
    while offset + blockSize <= byteCount {
      let header = read(offset..<offset + blockSize)
      guard header[0] != 0, header[257] == 0x75 else { break }
      let size = header[124..<135].reduce(0) { $1 >= 0x30 && $1 <= 0x37 ? $0 << 3 | Int($1 - 0x30) : $0 }
      let start = offset + blockSize
      offset = start + (size + blockSize - 1) / blockSize * blockSize
      guard offset <= byteCount else { break }
      let name = String(decoding: header[..<100].prefix { $0 != 0 }, as: UTF8.self)
      if name != ".padding" { files.append((name, start..<(start + size))) }
    }
    return files
  }

  /// Gaps are multiples of the block size, so a gap that holds no header is none.
  private mutating func appendHeader(_ name: String, size: Int) {
    var header = [UInt8](repeating: 0, count: Self.blockSize)
    func put(_ text: String, at offset: Int) {
      for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
    }
    func octal(_ value: Int, digits: Int) -> String {
      let text = String(value, radix: 8)
      return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
    put(String(name.prefix(Self.nameLimit)), at: 0)
    put("0000644", at: 100)
    put("0000000", at: 108)
    put("0000000", at: 116)
    put(octal(size, digits: 11), at: 124)
    put("00000000000", at: 136)
    put("        ", at: 148)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    let sum = header.reduce(0) { $0 + Int($1) }
    put(octal(sum, digits: 6), at: 148)
    header[154] = 0
    header[155] = 0x20
    bytes.append(contentsOf: header)
  }
}
