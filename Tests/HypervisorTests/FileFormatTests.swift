import Testing

@testable import Hypervisor

@Suite("Formats of files")
struct FileFormatTests {
  @Test("files that are given in the place of others are called what they are")
  func names() {
    func padded(_ start: [UInt8], at offset: Int = 0) -> [UInt8] {
      [UInt8](repeating: 0, count: offset) + start + [UInt8](repeating: 0, count: 600)
    }
    #expect(FileFormat.name(of: padded([0x1f, 0x8b])) == "a gzip-compressed file")
    #expect(FileFormat.name(of: padded([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])) == "an xz-compressed file")
    #expect(FileFormat.name(of: padded([0x28, 0xb5, 0x2f, 0xfd])) == "a zstd-compressed file")
    #expect(FileFormat.name(of: padded(Array("BZh9".utf8))) == "a bzip2-compressed file")
    #expect(FileFormat.name(of: padded([0x51, 0x46, 0x49, 0xfb])) == "a qcow2 disk image")
    #expect(FileFormat.name(of: padded(Array("ustar".utf8), at: 257)) == "a tar archive")
    #expect(FileFormat.name(of: padded(Array("HdrS".utf8), at: 0x202)) == "a Linux bzImage")
    for bytes in [[], [0x1f], padded([]), padded(Array("ustar".utf8), at: 256)] as [[UInt8]] {
      #expect(FileFormat.name(of: bytes) == nil)
    }
  }
}
