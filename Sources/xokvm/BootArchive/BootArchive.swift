/// Writes boot archives: ustar archives (POSIX.1-2017, pax, "ustar Interchange Format") whose files start on page boundaries, so that the
/// kernel can map programs where they lie. Any tar program reads them.
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

  /// Appends a file of `name`, at most `nameLimit` bytes without slashes, after a padding entry where its contents need one.
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

  /// Names of the files in `archive`, without padding, in their order; stops at what is no header.
  public static func names(in archive: [UInt8]) -> [String] {
    var names: [String] = []
    walk(archive) { name, _ in if name != ".padding" { names.append(name) } }
    return names
  }

  /// Names and contents of the files in `archive`, without padding.
  public static func files(in archive: [UInt8]) -> [(name: String, contents: [UInt8])] {
    var files: [(name: String, contents: [UInt8])] = []
    walk(archive) { name, range in if name != ".padding" { files.append((name, Array(archive[range]))) } }
    return files
  }

  /// Contents of the first file of `name` in `archive`; nil where there is none.
  public static func contents(of name: String, in archive: [UInt8]) -> [UInt8]? {
    var found: Range<Int>?
    walk(archive) { other, range in if other == name, found == nil { found = range } }
    return found.map { Array(archive[$0]) }
  }

  /// Calls `visit` for each file.
  private static func walk(_ archive: [UInt8], _ visit: (String, Range<Int>) -> Void) {
    var offset = 0
    while offset + blockSize <= archive.count, archive[offset] != 0, archive[offset + 257] == 0x75 {
      let digits = archive[(offset + 124)..<(offset + 135)]
      let size = digits.reduce(0) { $1 >= 0x30 && $1 <= 0x37 ? $0 << 3 | Int($1 - 0x30) : $0 }
      let start = offset + blockSize
      let next = start + (size + blockSize - 1) / blockSize * blockSize
      guard next <= archive.count else { return }
      let name = String(decoding: archive[offset..<(offset + 100)].prefix { $0 != 0 }, as: UTF8.self)
      visit(name, start..<(start + size))
      offset = next
    }
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
