import Foundation
import GuestImages
import KernelFixtures
import Testing

@Suite("A crash of a program whose file is hostile", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct HostileFileTests {
  private static let code: Range<UInt64> = 0x40_0000..<0x50_0000

  /// Runs `hello`, made to crash, in a file with those sections, three times, and an honest one beside it.
  private func run(_ sections: [SectionAppender.Section]) throws -> CommandResult {
    let place = try #require(GuestImages.programPlaces().first { $0.name == "hello" })
    let folder = try ScratchFolder()
    let image = [UInt8](GuestImages.programs(in: place.range))
    let path = try folder.store("hostile.elf", SectionAppender.file(image, with: sections))
    let crashing = ["--app", path + ":fault"]
    let result = try Command.run(
      Command.xokvm, ["boot"] + crashing + crashing + crashing + ["--app", "hello", "--timeout", "40"])
    #expect(result.status == 139, "\(result.all)")
    #expect(result.lines.count { $0.contains("hostile] ended: page fault, writing 0x12345678") } == 3, "\(result.all)")
    // Without call frames nobody has kept the other registers.
    #expect(result.lines.count { $0.hasPrefix("  rip 0000000000") } == 3, "\(result.all)")
    #expect(result.lines.contains { $0.contains("of mine, step 3") }, "the neighbour runs on: \(result.all)")
    return result
  }

  @Test("writes no control characters of its names onto the console, and no line of more than some hundred bytes")
  func names() throws {
    let name: [UInt8] = Array("\u{1b}[2J\u{7}\r\nevil\u{9b}31m\u{202e}".utf8) + [0xff, 0xfe]
    let result = try run(SectionAppender.function(name + [UInt8](repeating: 0x61, count: 100_000), Self.code))
    #expect(result.output.contains("  at ?[2J???evil?31m?"), "\(result.all)")
    #expect(result.output.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\r" || $0.value >= 0x20 })
    #expect(result.output.unicodeScalars.allSatisfy { !(0x7f...0x9f).contains($0.value) && $0.value != 0x202e })
    #expect(result.lines.allSatisfy { $0.utf8.count < 400 })
  }

  @Test("does not end the machine by a name's length")
  func length() throws {
    let result = try run(SectionAppender.function(Array("$s9223372036854775807main".utf8), Self.code))
    #expect(result.output.contains("  at $s9223372036854775807main+0x"), "\(result.all)")
  }

  @Test("is told without lines, once, where they would take too long")
  func work() throws {
    // A line program of no files but those of a table of a million that have no format; and so on.
    let rest: [UInt8] = [1, 1, 1, 0xfb, 14, 1, 0, 0xff, 0xff, 0x3f, 0, 0xff, 0xff, 0x3f]
    let program = [22, 0, 0, 0, 5, 0, 8, 0, 14, 0, 0, 0] + rest
    let result = try run([.code(Self.code), .data(".debug_line", (0..<20_000).flatMap { _ in program })])
    let told = "[xokvm] no lines of hostile: its file has debug information that takes more than "
    #expect(result.lines.count { $0.hasPrefix(told) } == 1, "\(result.all)")
  }

  @Test("is not read where it is larger than the guest's memory")
  func large() throws {
    let folder = try ScratchFolder()
    let place = try #require(GuestImages.programPlaces().first { $0.name == "hello" })
    let path = try folder.store("large.elf", GuestImages.programs(in: place.range))
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.truncate(atOffset: 1 << 40)
    try file.close()
    let result = try Command.run(Command.xokvm, ["boot", "--app", path])
    #expect(result.status == 65, "\(result.all)")
    #expect(result.errors.contains("has 1099511627776 bytes, more than the guest's 256 MiB"), "\(result.all)")
  }

  /// A kernel that says it is there, waits for some 2^33 ticks of its clock, and then does what no processor can.
  private static var slowKernel: [UInt8] {
    var kernel = TestKernel()
    kernel.print("ready\n")
    // rdtsc; lea ebx, [edx + 2]; again: rdtsc; cmp edx, ebx; jb again; ud2
    kernel.emit(0x0f, 0x31, 0x8d, 0x5a, 0x02, 0x0f, 0x31, 0x39, 0xda, 0x72, 0xfa, 0x0f, 0x0b)
    return SectionAppender.file(
      kernel.elf(is64: true), with: SectionAppender.function(Array("slow".utf8), 0x10_0000..<0x10_1000))
  }

  @Test(
    "reads the file that was started where another has its name, and tells where it was changed",
    .disabled(if: Command.isSlowHost, "AMD's SVM has forgotten the processor's state"),
    arguments: ["mv", "rm", "fifo", "change"])
  func otherFile(_ way: String) throws {
    let folder = try ScratchFolder()
    let path = try folder.store("kernel.elf", Self.slowKernel)
    let machine = try Command.start(Command.xokvm, ["boot", path, "--timeout", "30"])
    try #require(machine.waitForOutput("ready"))
    switch way {
    case "mv": try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
    case "rm": try FileManager.default.removeItem(atPath: path)
    case "fifo":
      try FileManager.default.removeItem(atPath: path)
      #expect(mkfifo(path, 0o600) == 0)
    default:
      let file = try #require(FileHandle(forWritingAtPath: path))
      try file.truncate(atOffset: 100)
      try file.close()
    }
    let result = machine.wait()
    #expect(result.status == 70, "\(result.all)")
    #expect(result.output.contains("[xokvm] instruction 0x1000"), "\(result.all)")
    let isChanged = way == "change"
    #expect(result.output.contains("no lines of the kernel: its file is not what it was") == isChanged, "\(result.all)")
  }
}
