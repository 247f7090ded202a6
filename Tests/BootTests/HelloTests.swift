import Foundation
import Testing

@Suite("The bundled exokernel", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct HelloTests {
  @Test("boots and runs two programs that share the processor and both end")
  func hello() throws {
    let result = try Command.run(Command.xokvm, ["boot"])
    #expect(result.status == 0, "\(result.errors)")
    let first = result.lines.filter { $0.hasPrefix("[0 hello]") }
    let second = result.lines.filter { $0.hasPrefix("[1 hello]") }
    #expect(first.first?.contains("hello from environment 0") == true)
    #expect(second.first?.contains("hello from environment 1") == true)
    #expect(first.contains { $0.contains("slices 0 of 64; capabilities 0:1.0rwxa") })
    #expect(first.last?.contains("step 3") == true)
    #expect(second.last?.contains("step 3") == true)
    // Each speaks between two lines of the other: neither had the processor for itself.
    let speakers = result.lines.map { $0.hasPrefix("[0") }
    let changes = zip(speakers, speakers.dropFirst()).filter { $0 != $1 }.count
    #expect(changes >= 3, "\(result.output)")
  }

  @Test("tells what it cannot start, and runs the rest")
  func unknownInArchive() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", "nobody"])
    #expect(result.status == 66 || result.status == 64)
    #expect(result.errors.split(separator: "\n").count + result.lines.count >= 1)
  }

  @Test("ends at the time limit with status 124")
  func timeLimit() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", Guests.path("politeloop"), "--timeout", "1"])
    #expect(result.status == 124, "\(result.errors)")
  }

  @Test("ends on SIGTERM, and leaves nothing behind", arguments: [SIGTERM, SIGINT])
  func signals(_ number: Int32) throws {
    let machine = try Command.start(Command.xokvm, ["boot", "--app", Guests.path("politeloop")])
    #expect(machine.waitForOutput("about to loop"))
    machine.signal(number)
    let result = machine.wait(seconds: 10)
    #expect(result.status == 128 + number || result.status == 0, "\(result.status) \(result.errors)")
  }
}
