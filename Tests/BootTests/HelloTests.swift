import Foundation
import Testing

@Suite("The bundled exokernel", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct HelloTests {
  @Test("boots and runs two programs that share the processor and both end")
  func hello() throws {
    let result = try Command.run(Command.xokvm, ["boot"])
    #expect(result.status == 0, "\(result.all)")
    #expect(result.errors.isEmpty)
    let first = result.lines.filter { $0.hasPrefix("[0 hello]") }
    let second = result.lines.filter { $0.hasPrefix("[1 hello]") }
    #expect(first.first?.contains("hello from environment 0") == true)
    #expect(second.first?.contains("hello from environment 1") == true)
    #expect(first.contains { $0.contains("slices 0 of 64; capabilities 0:1.0rwxa") }, "\(result.all)")
    #expect(second.contains { $0.contains("slices 1 of 64; capabilities 0:1.1rwxa") }, "\(result.all)")
    #expect(first.last?.contains("step 3") == true)
    #expect(second.last?.contains("step 3") == true)
    // Each speaks between two lines of the other: neither had the processor for itself.
    let speakers = result.lines.map { $0.hasPrefix("[0") }
    let changes = zip(speakers, speakers.dropFirst()).filter { $0 != $1 }.count
    #expect(changes >= 3, "\(result.output)")
  }

  @Test("ends at the time limit with status 124")
  func timeLimit() throws {
    let result = try Guests.boot("politeloop", options: ["--timeout", "0.5"])
    #expect(result.status == 124, "\(result.all)")
    #expect(result.errors.isEmpty)
  }

  @Test("ends on a signal, with the status that shells give it", arguments: [SIGTERM, SIGINT, SIGHUP])
  func signals(_ number: Int32) throws {
    let folder = try ScratchFolder()
    let machine = try Guests.start(["politeloop"], in: folder)
    #expect(machine.waitForOutput("about to loop"))
    machine.signal(number)
    let result = machine.wait(seconds: 10)
    #expect(result.status == 128 + number, "\(result.all)")
    #expect(result.errors.isEmpty)
  }

  @Test("writes the console to a file, or nowhere")
  func console() throws {
    let folder = try ScratchFolder()
    let file = folder.path("console")
    let result = try Command.run(Command.xokvm, ["boot", "--app", "hello", "--console", "file=\(file)"])
    #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty, "\(result.all)")
    let text = try String(decoding: Data(contentsOf: URL(filePath: file)), as: UTF8.self)
    #expect(text.hasPrefix("[0 hello] hello from environment 0"))
    let silent = try Command.run(Command.xokvm, ["boot", "--app", "hello", "--console", "none"])
    #expect(silent.status == 0 && silent.output.isEmpty && silent.errors.isEmpty, "\(silent.all)")
  }
}
