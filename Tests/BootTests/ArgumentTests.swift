import BootArchive
import Foundation
import GuestImages
import Testing

@testable import xokvm

@Suite("Names and arguments on the command line", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct ArgumentTests {
  private func boot(_ arguments: [String], in folder: ScratchFolder) throws -> CommandResult {
    try Command.run("/bin/sh", ["-c", "cd \"$0\" && exec \"$@\"", folder.url.path, Command.xokvm, "boot"] + arguments)
  }

  private func hello() throws -> [UInt8] {
    try #require(BootArchive.files(in: GuestImages.programs()).first { $0.name == "hello" }).contents
  }

  @Test("a path may hold colons, with arguments behind it or without")
  func colons() throws {
    let folder = try ScratchFolder()
    try folder.store("co:lon.elf", hello())
    let plain = try boot(["--app", "./co:lon.elf"], in: folder)
    #expect(plain.status == 0 && plain.output.contains("[0 co_lon] hello from environment 0"), "\(plain.all)")
    let fault = try boot(["--app", "./co:lon.elf:fault"], in: folder)
    #expect(fault.status == 139 && fault.output.contains("page fault, writing 0x12345678"), "\(fault.all)")
    let missing = try boot(["--app", "./co"], in: folder)
    #expect(missing.status == 66 && missing.errors.contains("./co "), "\(missing.all)")
  }

  @Test("a disk's own name may end in ,readonly")
  func readOnlyName() throws {
    let folder = try ScratchFolder()
    try folder.store("d,readonly", [UInt8](repeating: 0, count: 4096))
    for name in ["d,readonly", "d,readonly,readonly"] {
      let result = try boot(["--app", "hello", "--disk", name], in: folder)
      #expect(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    }
  }

  @Test("a file that is named as a bundled program has another name only where both run")
  func names() throws {
    let folder = try ScratchFolder()
    try folder.store("hello.elf", hello())
    let alone = try boot(["--app", "./hello.elf"], in: folder)
    #expect(alone.output.contains("[0 hello] hello from environment 0"), "\(alone.all)")
    let both = try boot(["--app", "./hello.elf", "--app", "hello"], in: folder)
    #expect(both.output.contains("[0 hello-2] hello from environment 0"), "\(both.all)")
    #expect(both.output.contains("[1 hello] hello from environment 1"), "\(both.all)")
  }

  @Test("help lists the bundled programs, ranges and defaults")
  func help() throws {
    let help = try Command.run(Command.xokvm, ["boot", "--help"])
    #expect(help.status == 0 && help.errors.isEmpty)
    for name in ["hello", "web", "status", "books"] { #expect(help.output.contains("\n  \(name)[:"), "\(name)") }
    for text in ["from 1 to 1048576; 256 by", "from 1 to 255; 1 by"] { #expect(help.output.contains(text), "\(text)") }
  }

  @Test("a program without memory says so, and ends with status 71")
  func outOfMemory() throws {
    let result = try Guests.boot("leak", options: ["--memory", "32", "--timeout", "60"])
    #expect(result.status == 71, "\(result.all)")
    let line = result.lines.first { $0.contains("out of memory") } ?? ""
    #expect(line.contains(#/^\[0 leak\] out of memory: there are no frames for [0-9]+ bytes more/#), "\(result.all)")
    #expect(line.contains("raise --memory"), "\(result.all)")
  }

  @Test("why a bench ended is the first line about it, not the last register")
  func benchReason() {
    let output = """
      measure null-call 10
      [0 primitives] ended: page fault, reading 0x0 at instruction 0x1
        at gate, called from somewhere
        rip 00007f00000000c0
      [kernel] no program is left
      """
    #expect(PrimitivesBench.reason(output).hasPrefix("[0 primitives] ended: page fault"))
    #expect(PrimitivesBench.reason("a\nb\n") == "b")
  }
}
