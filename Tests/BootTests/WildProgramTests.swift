import Foundation
import Testing

/// A program that goes wild, and what its epitaph must say.
struct WildProgram: CustomTestStringConvertible {
  let name: String
  var arguments = ""
  let epitaph: String
  var testDescription: String { name + arguments }

  /// Where a SYSCALL enters the kernel, which no program is kept from jumping to.
  private static let syscall = KernelSymbols.address(of: "entry_syscall")

  static let all = [
    WildProgram(name: "badpointer", epitaph: "page fault, reading 0x123456789000"),
    WildProgram(name: "kerneladdress", epitaph: "page fault, writing 0xffffffff80200000 (the kernel's)"),
    WildProgram(name: "writebooks", epitaph: "page fault, writing 0x7f0000001000"),
    WildProgram(name: "writetables", epitaph: "page fault, writing 0x7f80"),
    WildProgram(name: "endlessloop", epitaph: "kept the CPU past its slice"),
    WildProgram(name: "privileged", epitaph: "protection violation"),
    WildProgram(name: "portaccess", epitaph: "protection violation"),
    WildProgram(name: "badjump", epitaph: "page fault, executing 0xffffffff80201000 (the kernel's)"),
    WildProgram(name: "forgedcall", arguments: ":\(syscall),flags", epitaph: "protection violation"),
    WildProgram(
      name: "forgedcall", arguments: ":\(syscall),return",
      epitaph: "page fault, executing 0x\(String(syscall, radix: 16)) (the kernel's)"),
    WildProgram(name: "oldmode", epitaph: "page fault inside its fault handler, executing 0x600000000000"),
    WildProgram(name: "wildfault", epitaph: "page fault inside its fault handler, reading 0x12345678a000"),
    WildProgram(name: "oldcall", epitaph: "invalid instruction"),
  ]
}

@Suite("A wild environment", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct WildProgramTests {
  @Test("is ended alone, with an epitaph that names cause and address", arguments: WildProgram.all)
  func wild(_ program: WildProgram) throws {
    let result = try Guests.boot(program.name + program.arguments, "neighbour", options: ["--timeout", "30"])
    #expect(result.lines.contains { $0.hasPrefix("[0 \(program.name)] about to") }, "\(result.all)")
    let epitaph = result.lines.first { $0.hasPrefix("[0 \(program.name)] ended: ") }
    #expect(epitaph?.contains(program.epitaph) == true, "\(result.all)")
    #expect(epitaph?.contains(" at instruction 0x") == true)
    #expect(!result.output.contains("survived"))
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well after many") }, "\(result.all)")
    #expect(result.status == 139)
  }

  @Test("that loops with an epilogue is preempted, and the other one runs")
  func politeLoop() throws {
    let folder = try ScratchFolder()
    let machine = try Guests.start(["politeloop", "neighbour"], in: folder)
    #expect(machine.waitForOutput("[1 neighbour] neighbour is well"), "\(machine.output)\(machine.errors)")
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).status == 128 + SIGTERM)
  }
}
