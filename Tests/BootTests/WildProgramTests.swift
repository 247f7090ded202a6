import Foundation
import Testing

/// A program that goes wild, what its epitaph must say, and the line that shows it did start.
struct WildProgram: CustomTestStringConvertible {
  let name: String
  let epitaph: String
  var testDescription: String { name }

  static let all = [
    WildProgram(name: "badpointer", epitaph: "page fault, reading 0x123456789000"),
    WildProgram(name: "kerneladdress", epitaph: "page fault, writing 0xffffffff80200000 (the kernel's)"),
    WildProgram(name: "writebooks", epitaph: "page fault, writing 0x7f0000001000"),
    WildProgram(name: "writetables", epitaph: "page fault, writing 0x7f80"),
    WildProgram(name: "endlessloop", epitaph: "kept the CPU past its slice"),
    WildProgram(name: "privileged", epitaph: "protection violation"),
    WildProgram(name: "portaccess", epitaph: "protection violation"),
    WildProgram(name: "badjump", epitaph: "page fault, executing 0xffffffff80201000 (the kernel's)"),
  ]
}

@Suite("A wild environment", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct WildProgramTests {
  @Test("is ended alone, with an epitaph that names cause and address", arguments: WildProgram.all)
  func wild(_ program: WildProgram) throws {
    let result = try Command.run(
      Command.xokvm, ["boot", "--app", Guests.path(program.name), "--app", Guests.path("neighbour"), "--timeout", "30"])
    #expect(result.lines.contains { $0.hasPrefix("[0 \(program.name)] about to") }, "\(result.output)\(result.errors)")
    let epitaph = result.lines.first { $0.hasPrefix("[0 \(program.name)] ended: ") }
    #expect(epitaph?.contains(program.epitaph) == true, "\(result.output)")
    #expect(epitaph?.contains(" at instruction 0x") == true)
    #expect(!result.output.contains("survived"))
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well") }, "\(result.output)")
    #expect(result.status == 139)
  }

  @Test("that loops with an epilogue is preempted, and the other one runs")
  func politeLoop() throws {
    let result = try Command.run(
      Command.xokvm, ["boot", "--app", Guests.path("politeloop"), "--app", Guests.path("neighbour"), "--timeout", "3"])
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well") }, "\(result.output)")
    #expect(result.status == 124)
  }
}

@Suite("The library operating system", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct LibOSTests {
  @Test("grows the stack in its fault handler")
  func deepStack() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", Guests.path("deepstack")])
    #expect(result.lines == ["[0 deepstack] sum 1125750"])
    #expect(result.status == 0)
  }

  @Test("runs user threads in turns")
  func threads() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", Guests.path("userthreads")])
    #expect(result.lines == ["[0 userthreads] order 123123123"])
    #expect(result.status == 0)
  }

  @Test("finds memory as the books say, and none of another's")
  func memory() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", Guests.path("memory"), "--app", Guests.path("neighbour")])
    #expect(result.lines.contains("[0 memory] memory is as the books say"), "\(result.output)")
    #expect(result.status == 0)
  }
}
