import CodeMap
import Foundation
import RandomFixtures
import Testing

/// A program of C, compiled here, whose functions and lines are known.
@Suite("The map of a compiled program", .enabled(if: Clang.path != nil, "there is no clang in PATH"))
struct CompiledCodeTests {
  /// Line 3 is inlined into line 6, which is called from line 9.
  private static let source = """
    volatile unsigned long word;
    static inline __attribute__((always_inline)) void inner(unsigned long value) {
      word = value / word;
    }
    __attribute__((noinline)) void middle(unsigned long value) {
      inner(value + 1); word = 1;
    }
    int _start(unsigned long value) {
      middle(value); word = 2;
      return 0;
    }
    """

  /// The ELF file with information of that version.
  private static func program(_ version: Int) throws -> [UInt8] {
    let folder = FileManager.default.temporaryDirectory.appending(path: "xokvm-codemap-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data(source.utf8).write(to: folder.appending(path: "known.c"))
    let clang = Process()
    clang.executableURL = URL(filePath: try #require(Clang.path))
    clang.currentDirectoryURL = folder
    clang.arguments = [
      "-target", "x86_64-unknown-none-elf", "-O1", "-gdwarf-\(version)", "-fno-asynchronous-unwind-tables",
      "-ffreestanding", "-nostdlib", "-static", "-fuse-ld=lld", "-o", "known.elf", "known.c",
    ]
    try clang.run()
    clang.waitUntilExit()
    try #require(clang.terminationStatus == 0)
    return [UInt8](try Data(contentsOf: folder.appending(path: "known.elf")))
  }

  private func function(_ name: String, in map: CodeMap) throws -> CodeMap.Function {
    try #require(map.functions.first { map.names[$0.name] == name })
  }

  @Test("names functions and lines of DWARF 4 and 5", arguments: [4, 5])
  func lines(version: Int) throws {
    let map = try CodeMap(elf: Self.program(version))
    let middle = try function("middle", in: map)
    let start = try function("_start", in: map)
    let places = middle.range.flatMap { map.places(at: $0) }
    #expect(places.contains(.init(function: "middle", file: "known.c", line: 6)))
    #expect(start.range.flatMap { map.places(at: $0) }.contains(.init(function: "_start", file: "known.c", line: 9)))
    #expect(map.places(at: start.range.upperBound + 0x10_0000).isEmpty)
    #expect(map.places(at: 0).isEmpty)
  }

  @Test("names inlined calls, the innermost first")
  func inlinedCalls() throws {
    let map = try CodeMap(elf: Self.program(4))
    let middle = try function("middle", in: map)
    let divisions = middle.range.map { map.places(at: $0) }.filter { $0.count == 2 }
    #expect(
      divisions.contains([
        .init(function: "inner", file: "known.c", line: 3), .init(function: "middle", file: "known.c", line: 6),
      ]))
  }

  @Test("finds the caller of every instruction", arguments: [4, 5])
  func frames(version: Int) throws {
    let map = try CodeMap(elf: Self.program(version))
    for name in ["middle", "_start"] {
      let range = try function(name, in: map).range
      let first = try #require(map.unwindRule(at: range.lowerBound))
      #expect(first.frame == .init(register: 7, offset: 8), "at entry the return address is at the top of the stack")
      #expect(first.saved == [.init(register: 16, offset: -8)])
      #expect(range.allSatisfy { map.unwindRule(at: $0) != nil })
      #expect(map.unwindRule(at: range.upperBound + 0x10_0000) == nil)
    }
  }

  @Test("a damaged file gives a map with other or fewer names, never a trap", arguments: [4, 5])
  func damaged(version: Int) throws {
    let whole = try Self.program(version)
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    print("seed of damaged ELF files: \(seed)")
    for round in 0..<300 {
      var bytes = whole
      if round % 3 == 0 { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
      for _ in 0..<Int.random(in: 0..<40, using: &generator) where !bytes.isEmpty {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let map = try CodeMap(elf: bytes)
      for address in stride(from: UInt64(0x20_1000), to: 0x20_1100, by: 3) {
        _ = map.places(at: address)
        _ = map.unwindRule(at: address)
      }
      #expect(CodeMap(encoded: map.encoded)?.names == map.names, "seed \(seed)")
    }
  }
}

/// The toolchain's C compiler.
enum Clang {
  static let path: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { "\($0)/clang" }.first { FileManager.default.isExecutableFile(atPath: $0) }
}
