/// Formats of files that are given in the place of others, known by their first bytes, so that a refusal can call them
/// what they are.
public enum FileFormat {
  /// How many bytes tell a format.
  public static let prefixByteCount = 1024

  /// What a file is that starts with `bytes`, such as "a gzip-compressed file"; nil where that is not known.
  public static func name(of bytes: [UInt8]) -> String? {
    let starts: [([UInt8], String)] = [
      ([0x1f, 0x8b], "a gzip-compressed file"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], "an xz-compressed file"),
      ([0x28, 0xb5, 0x2f, 0xfd], "a zstd-compressed file"), (Array("BZh".utf8), "a bzip2-compressed file"),
      ([0x50, 0x4b, 3, 4], "a zip archive"), (Array("QFI".utf8) + [0xfb], "a qcow2 disk image"),
      ([0x7f, 0x45, 0x4c, 0x46], "an ELF file"), (Array("#!".utf8), "a script"), (Array("MZ".utf8), "a PE executable"),
    ]
    // The Linux/x86 boot protocol: a bzImage may also start as a PE executable does.
    if has(Array("HdrS".utf8), at: 0x202, in: bytes) { return "a Linux bzImage" }
    if has(Array("ustar".utf8), at: 257, in: bytes) { return "a tar archive" }
    return starts.first { has($0.0, at: 0, in: bytes) }?.1
  }

  private static func has(_ text: [UInt8], at offset: Int, in bytes: [UInt8]) -> Bool {
    bytes.count >= offset + text.count && bytes[offset..<(offset + text.count)].elementsEqual(text)
  }
}
