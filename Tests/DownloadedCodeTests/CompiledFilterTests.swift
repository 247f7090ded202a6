import Foundation
import Testing

@testable import DownloadedCode

/// Where clang is: beside swiftc in the toolchain, or on the PATH.
private let clang: String? = {
  let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { $0 + "/clang" }
  return path.map(String.init).first { FileManager.default.isExecutableFile(atPath: $0) }
}()

private func compile(_ source: String) throws -> [UInt64]? {
  guard let clang else { return nil }
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("xokvm-filter-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  let file = folder.appendingPathComponent("filter.c")
  let object = folder.appendingPathComponent("filter.o")
  try source.write(to: file, atomically: true, encoding: .utf8)
  let process = Process()
  process.executableURL = URL(fileURLWithPath: clang)
  // Block placement would share exits by jumping backwards.
  let flags = ["-target", "bpf", "-mcpu=v4", "-O2", "-ffreestanding", "-mllvm", "-disable-block-placement"]
  process.arguments = flags + ["-c", file.path, "-o", object.path]
  process.standardError = FileHandle.nullDevice
  try process.run()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { return nil }
  return textSection(of: [UInt8](try Data(contentsOf: object)))
}

/// The words of section `.text` of a 64-bit little-endian ELF file.
private func textSection(of file: [UInt8]) -> [UInt64]? {
  func value(_ offset: Int, _ bytes: Int) -> Int {
    file[offset..<(offset + bytes)].reversed().reduce(0) { $0 << 8 | Int($1) }
  }
  let headers = value(40, 8)
  let names = value(headers + 64 * value(62, 2) + 24, 8)
  for index in 0..<value(60, 2) {
    let header = headers + 64 * index
    let name = names + value(header, 4)
    if Array(file[name..<(name + 6)]) == Array(".text".utf8) + [0] {
      let start = value(header + 24, 8)
      return (0..<(value(header + 32, 8) / 8)).map { UInt64(truncatingIfNeeded: value(start + 8 * $0, 8)) }
    }
  }
  return nil
}

@Suite("Filters compiled by clang", .enabled(if: clang != nil, "clang is not on the PATH"))
struct CompiledFilterTests {
  private static let source = """
    typedef unsigned char u8;
    typedef unsigned short u16;
    typedef unsigned int u32;
    typedef unsigned long long u64;
    struct ethernet { u8 destination[6], source[6]; u16 type; } __attribute__((packed));
    struct ipv4 { u8 version_length, service; u16 length, id, fragment; u8 ttl, protocol; u16 checksum; u32 source, destination; }
      __attribute__((packed, aligned(2)));
    struct ports { u16 source, destination; };
    u64 filter(const u8 *packet, u64 length) {
      const struct ethernet *frame = (const void *)packet;
      if (frame->type == __builtin_bswap16(0x0806)) return *(const u16 *)(packet + 40) == __builtin_bswap16(0x020f) ? 2 : 0;
      if (frame->type != __builtin_bswap16(0x0800)) return 0;
      const struct ipv4 *header = (const void *)(packet + 14);
      if (header->version_length >> 4 != 4 || (header->fragment & __builtin_bswap16(0x1fff))) return 0;
      if (header->protocol != 6 && header->protocol != 17) return 0;
      if (header->destination != __builtin_bswap32(0x0a00020f)) return 0;
      const struct ports *ports = (const void *)((const u8 *)header + 4 * (header->version_length & 15));
      u16 port = __builtin_bswap16(ports->destination);
      return port >= 80 && port < 90 ? length : 0;
    }
    """

  @Test("a filter in C verifies and agrees with its meaning")
  func compiledFilter() throws {
    guard let words = try compile(Self.source) else {
      // A clang without the BPF back end: nothing to test with.
      print("clang cannot compile for bpf; skipped")
      return
    }
    try GuardedPages.withPages { () throws in
      let filter = try BoundFilter(words)
      for options in [0, 1, 10] {
        for port in [UInt16(79), 80, 89, 90, 0x5000] {
          for number in [UInt8(1), 6, 17] {
            let packet = Packets.ipv4(number, to: Packets.guest, port: port, options: options)
            let matches = (80..<90).contains(port) && number != 1
            #expect(filter.run(packet) == (matches ? UInt64(packet.count) : 0))
            #expect(filter.run(Packets.ipv4(number, to: Packets.host, port: port)) == 0)
            #expect(filter.run(Packets.ipv4(number, to: Packets.guest, port: port, fragmentOffset: 5)) == 0)
          }
        }
      }
      #expect(filter.run(Packets.arp(target: Packets.guest)) == 2)
      #expect(filter.run(Packets.arp(target: Packets.host)) == 0)
      let whole = Packets.ipv4(6, to: Packets.guest, port: 80)
      for length in 0..<38 { #expect(filter.run(Array(whole.prefix(length))) == 0) }
    }
  }
}
