import Foundation
import GuestImages
import Testing

/// What the kernel's ELF file must and must not hold.
@Suite("The kernel's ELF file")
struct KernelImageTests {
  private let image = GuestImages.kernel()
  private var segments: [ELFFile.Segment] { ELFFile(image).segments }

  private func value(_ offset: Int, _ byteCount: Int) -> Int { ELFFile(image).value(offset, byteCount) }

  @Test("is a 64-bit x86 executable with a PVH entry inside a segment")
  func entry() throws {
    #expect(Array(image[0..<6]) == [0x7f, 0x45, 0x4c, 0x46, 2, 1])
    #expect(value(16, 2) == 2 && value(18, 2) == 62)
    var entries: [Int] = []
    for note in segments where note.type == 4 {
      var offset = note.offset
      while offset + 12 <= note.offset + note.size {
        let name = value(offset, 4)
        let description = value(offset + 4, 4)
        let data = offset + 12 + (name + 3) / 4 * 4
        if name == 4, Array(image[(offset + 12)..<(offset + 16)]) == Array("Xen\0".utf8), value(offset + 8, 4) == 18 {
          entries.append(value(data, min(description, 8)))
        }
        offset = data + (description + 3) / 4 * 4
      }
    }
    #expect(entries.count == 1)
    #expect(entries.allSatisfy { $0 >= 0x10_0000 && $0 < 0x100_0000 })
  }

  @Test("has no segment that may be written and executed")
  func rights() {
    let loaded = segments.filter { $0.type == 1 }
    #expect(loaded.count >= 2)
    #expect(loaded.contains { $0.flags & 1 != 0 })
    for segment in loaded { #expect(segment.flags & 3 != 3, "\(segment)") }
  }

  @Test(
    "uses no vector or floating-point register and no red zone",
    .enabled(
      if: Command.find("llvm-objdump") != nil || Command.find("objdump") != nil,
      "neither llvm-objdump nor objdump is on PATH"))
  func registers() throws {
    let folder = try ScratchFolder()
    let path = try folder.store("kernel.elf", image)
    let tool = try #require(Command.find("llvm-objdump") ?? Command.find("objdump"))
    let listing = try Command.run(tool, ["--disassemble", "--no-show-raw-insn", path])
    #expect(listing.status == 0, "\(listing.errors)")
    var instructions = 0
    // Labels end in ">:".
    for line in listing.lines where !line.hasSuffix(":") {
      guard let colon = line.firstIndex(of: ":"), line[..<colon].allSatisfy({ $0.isHexDigit || $0 == " " }) else {
        continue
      }
      let text = line[line.index(after: colon)...]
      instructions += 1
      for register in ["%xmm", "%ymm", "%zmm", "%mm", "%st"] { #expect(!text.contains(register), "\(line)") }
      // Every mnemonic that begins with f is of the x87.
      let mnemonic = text.drop { $0 == " " || $0 == "\t" }
      #expect(!mnemonic.hasPrefix("f"), "\(line)")
      #expect(text.firstMatch(of: /-(0x)?[0-9a-f]+\(%rsp\)/) == nil, "\(line)")
    }
    #expect(instructions > 1000)
  }
}
