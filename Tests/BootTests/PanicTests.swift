import Foundation
import GuestImages
import Hypervisor
import Testing

/// The kernel with a mistake put into it, since it has none of its own that a test could rely on.
@Suite("A kernel panic", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct PanicTests {
  /// A way to go wrong in ring 0, and what the epitaph says of it.
  struct Mistake: CustomTestStringConvertible {
    let testDescription: String
    let code: [UInt8]
    let epitaph: String
  }

  @Test(
    "prints an epitaph with the registers and ends the machine with status 70",
    arguments: [
      Mistake(testDescription: "an invalid instruction", code: [0x0f, 0x0b], epitaph: "panic: exception 0x6"),
      // mov %rax, 0: address 0 is nobody's.
      Mistake(
        testDescription: "a store to nowhere", code: [0x48, 0x89, 0x04, 0x25, 0, 0, 0, 0],
        epitaph: "panic: page fault at 0x0"),
    ])
  func panics(_ mistake: Mistake) throws {
    var kernel = GuestImages.kernel()
    let address = try #require(SymbolTable(of: kernel)["call_console_write"])
    let offset = try #require(ELFFile(kernel).offset(of: address))
    kernel.replaceSubrange(offset..<(offset + mistake.code.count), with: mistake.code)
    let folder = try ScratchFolder()
    let path = try folder.store("kernel.elf", kernel)
    let result = try Command.run(Command.xokvm, ["boot", path, "--app", "hello", "--timeout", "20"])
    #expect(result.status == 70, "\(result.all)")
    #expect(result.lines.contains { $0.contains(mistake.epitaph) }, "\(result.all)")
    // Whoever looks at the errors alone sees the reason, not the last of the registers.
    #expect(result.errors.contains("the kernel said '[kernel] \(mistake.epitaph)"), "\(result.all)")
    let place = "rip 0x" + String(address, radix: 16)
    for register in [place, "rsp 0x", "rax 0x", "r11 0x", "environment 0x0"] {
      #expect(result.lines.contains { $0.contains("[kernel] \(register)") }, "no \(register): \(result.all)")
    }
  }
}
