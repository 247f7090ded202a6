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
    #expect(first.contains { $0.contains("slices 0 of 64; capabilities 0:1.0.0.0.1rwxa") }, "\(result.all)")
    #expect(second.contains { $0.contains("slices 1 of 64; capabilities 0:1.1.0.0.1rwxa") }, "\(result.all)")
    #expect(first.last?.contains("step 3") == true)
    #expect(second.last?.contains("step 3") == true)
    // Each speaks between two lines of the other: neither had the processor for itself.
    let speakers = result.lines.map { $0.hasPrefix("[0") }
    let changes = zip(speakers, speakers.dropFirst()).filter { $0 != $1 }.count
    #expect(changes >= 3, "\(result.output)")
  }

  @Test(
    "says what the README quotes, but for the numbers", .disabled(if: Command.isSlowHost, "the sources are not there"))
  func quotation() throws {
    let place = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../README.md")
    let quoted = try String(contentsOf: place.standardizedFileURL, encoding: .utf8).split(separator: "\n")
      .filter { $0.hasPrefix("    [0 hello]") || $0.hasPrefix("    [1 hello]") }.prefix(6).map {
        masked($0.dropFirst(4))
      }
    let said = try Command.run(Command.xokvm, ["boot"]).lines.map { masked($0[...]) }
    try #require(quoted.count == 6)
    for line in quoted { #expect(said.contains(line), "\(line)\nis not among\n\(said.joined(separator: "\n"))") }
  }

  /// The line with each number behind the environment's replaced.
  private func masked(_ line: Substring) -> String {
    String(line.prefix(3)) + String(line.dropFirst(3)).replacing(#/[0-9]+/#, with: "N")
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

  @Test("reads a command line of every length that is accepted")
  func longCommandLine() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--command-line", String(repeating: "x", count: 8000)])
    #expect(result.status == 0 && result.output.contains("[1 hello] hello from environment 1"), "\(result.all)")
  }

  @Test("leaves further boot modules alone, wherever they end", arguments: [1 << 20, 20 << 20, 150 << 20])
  func modules(_ byteCount: Int) throws {
    let folder = try ScratchFolder()
    let noise = try ScratchFolder.noise(1 << 20)
    var module = Data()
    while module.count < byteCount { module += noise }
    let path = try folder.store("module", module)
    let last = try folder.store("last", noise)
    let result = try Command.run(Command.xokvm, ["boot", "--module", path, "--module", last])
    #expect(result.status == 0, "\(result.all)")
    // Which slice that is, the host's load says.
    #expect(
      result.lines.contains { $0.hasPrefix("[1 hello] slice ") && $0.hasSuffix(" of mine, step 3") }, "\(result.all)")
  }

  @Test(
    "keeps what is meant for closed standard descriptors out of the files it opens",
    arguments: [("<&-", 0), ("2>&-", 0), (">&-", 74), ("<&- >&- 2>&-", 74)] as [(String, Int32)])
  func closedDescriptors(_ closing: String, _ status: Int32) throws {
    let folder = try ScratchFolder()
    let noise = try ScratchFolder.noise(8192)
    let disk = try folder.store("disk", noise)
    let result = try Command.run(
      "/bin/sh", ["-c", "exec \"$0\" boot --app hello --disk \"$1\" \(closing)", Command.xokvm, disk], seconds: 20)
    #expect(result.status == status, "\(result.all)")
    #expect(try Data(contentsOf: URL(filePath: disk)) == noise)
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
