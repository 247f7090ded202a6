import ExokernelABI

/// ELF programs and archives for the loader.
enum TestProgram {
  struct Segment {
    var flags: UInt32
    var address: UInt64
    var contents: [UInt8]
    var memorySize: UInt64
    /// Offset that the header tells, where it is not that of the contents.
    var offset: UInt64?
    /// Size in the file that the header tells, where it is not that of the contents.
    var fileSize: UInt64?
    var type: UInt32 = 1
  }

  static let text = Segment(
    flags: 5, address: 0x40_0000, contents: Array(repeating: 0x90, count: 4096), memorySize: 4096)
  static let data = Segment(flags: 6, address: 0x40_2010, contents: Array(1...100), memorySize: 8000)
  /// Text in place, data copied, bss cleared.
  static let standard = elf(segments: [text, data])

  static func elf(entry: UInt64 = 0x40_0000, segments: [Segment]) -> [UInt8] {
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + Array(repeating: 0, count: 8)
    append(&bytes, 2 as UInt16)
    append(&bytes, 62 as UInt16)
    append(&bytes, 1 as UInt32)
    append(&bytes, entry)
    append(&bytes, 64 as UInt64)
    append(&bytes, 0 as UInt64)
    append(&bytes, 0 as UInt32)
    append(&bytes, 64 as UInt16)
    append(&bytes, 56 as UInt16)
    append(&bytes, UInt16(segments.count))
    bytes += Array(repeating: 0, count: 6)
    var offset = 4096
    var offsets: [Int] = []
    for segment in segments {
      offsets.append(offset + Int(segment.address & 0xfff))
      offset = (offset + Int(segment.address & 0xfff) + segment.contents.count + 4095) & ~4095
    }
    for (segment, place) in zip(segments, offsets) {
      append(&bytes, segment.type)
      append(&bytes, segment.flags)
      append(&bytes, segment.offset ?? UInt64(place))
      append(&bytes, segment.address)
      append(&bytes, segment.address)
      append(&bytes, segment.fileSize ?? UInt64(segment.contents.count))
      append(&bytes, segment.memorySize)
      append(&bytes, 4096 as UInt64)
    }
    for (segment, place) in zip(segments, offsets) {
      bytes += Array(repeating: 0, count: place - bytes.count) + segment.contents
    }
    return bytes
  }

  private static func append<Value: FixedWidthInteger>(_ bytes: inout [UInt8], _ value: Value) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// A ustar archive whose files start on page boundaries.
  static func archive(_ files: [(String, [UInt8])]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, contents) in files {
      let gap = (4096 - (bytes.count + 512) % 4096) % 4096
      if gap != 0 { bytes += header(".padding", size: gap - 512) + Array(repeating: 0, count: gap - 512) }
      bytes += header(name, size: contents.count) + contents
      bytes += Array(repeating: 0, count: (512 - contents.count % 512) % 512)
    }
    return bytes + Array(repeating: 0, count: 1024)
  }

  static func header(_ name: String, size: Int) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, _ offset: Int) {
      for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
    }
    put(name, 0)
    let octal = String(size, radix: 8)
    put(String(repeating: "0", count: 11 - octal.count) + octal, 124)
    put("0", 156)
    put("ustar", 257)
    return header
  }
}
