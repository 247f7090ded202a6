import Foundation
import KernelFixtures
import Testing

@Suite("A PVH kernel that is not ours", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct OtherKernelTests {
  @Test("boots from 32-bit and 64-bit ELF files, with command line and module", arguments: [false, true])
  func boots(is64: Bool) throws {
    var kernel = TestKernel()
    kernel.print("another kernel: ")
    // EBX is the start info; ESI its command line, whose first four bytes are sent.
    kernel.emit(0x8b, 0x73, 0x18)
    kernel.emit(0xb9, 4, 0, 0, 0, 0x66, 0xba, 0xf8, 0x03, 0xf3, 0x6e)
    // EDI is the first module's entry; ESI its bytes and ECX their number.
    kernel.emit(0x8b, 0x7b, 0x10, 0x8b, 0x37, 0x8b, 0x4f, 0x08, 0xf3, 0x6e)
    kernel.print("\n")
    kernel.out(0xf4, 5)
    kernel.loopForever()
    let folder = try ScratchFolder()
    let path = try folder.store("other.elf", kernel.elf(is64: is64))
    let module = try folder.store("module", Array(" and a module of its own".utf8))
    let result = try Command.run(
      Command.xokvm,
      ["boot", path, "--command-line", "line of the kernel", "--module", module, "--memory", "16", "--timeout", "20"])
    #expect(result.output == "another kernel: line and a module of its own\n", "\(result.all)")
    // As QEMU's isa-debug-exit has it.
    #expect(result.status == 5 << 1 | 1)
    #expect(result.errors.isEmpty)
  }

  @Test("that crashes is told in one line, with status 70")
  func crash() throws {
    var kernel = TestKernel()
    // ud2, with no interrupt descriptor table.
    kernel.emit(0x0f, 0x0b)
    let folder = try ScratchFolder()
    let path = try folder.store("crash.elf", kernel.elf())
    let result = try Command.run(Command.xokvm, ["boot", path, "--memory", "16", "--timeout", "20"])
    #expect(result.status == 70, "\(result.all)")
    #expect(result.errors.hasPrefix("xokvm: ") && result.errors.filter { $0 == "\n" }.count == 1, "\(result.all)")
  }
}
