import Foundation
import GuestImages
import Hypervisor
import KernelFixtures
import Testing

@Suite("What is said of a crash", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct CrashReportTests {
  /// The number of the line of a source file that holds `text`.
  private func line(of text: String, in source: String) throws -> Int {
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
    return try #require(lines.firstIndex { $0.contains(text) }) + 1
  }

  private func line(of text: String, inFile path: String) throws -> Int {
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
    return try line(of: text, in: String(contentsOf: root.appending(path: path), encoding: .utf8))
  }

  @Test(
    "a bundled program's names function, file and line, its callers and its registers",
    .disabled(if: Command.isSlowHost, "the sources are not there"))
  func bundled() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", "hello:fault", "--timeout", "20"])
    #expect(result.status == 139, "\(result.all)")
    let hello = "Sources/GuestLibOS/Apps/Hello/Hello.swift"
    let store = try line(of: "UnsafeMutablePointer<UInt64>(bitPattern: address)?.pointee = 1", inFile: hello)
    let call = try line(of: "makeMistake(at: 0x1234_5678)", inFile: hello)
    let place = try #require(result.lines.firstIndex { $0.contains("page fault, writing 0x12345678 at instruction") })
    #expect(
      result.lines[place + 1].hasPrefix(
        "  at Hello.swift:\(store) makeMistake, called from Hello.swift:\(call) helloMain, called from Start.swift:"),
      "\(result.all)")
    // The address was the function's argument, or is still in a register.
    #expect(result.output.contains("rsp 0000000000"), "\(result.all)")
    #expect(result.lines[(place + 2)...].contains { $0.contains("0000000012345678") }, "\(result.all)")
  }

  @Test("the same on several processors", arguments: ["2", "4"])
  func processors(count: String) throws {
    let result = try Command.run(
      Command.xokvm, ["boot", "--app", "hello:fault", "--app", "hello:fault", "--cpus", count, "--timeout", "20"])
    #expect(result.lines.count { $0.contains(" makeMistake, called from Hello.swift:") } == 2, "\(result.all)")
  }

  /// A program of one file; `body` is the inside of the function that its main function calls.
  private static func program(_ body: String) -> String {
    """
    import ExokernelABI
    import LibOS

    @inline(never) func faulty(_ number: Int) -> Int {
      \(body)
    }

    @c(program_main)
    public func programMain() -> Int32 {
      let number = faulty(Int(Environment.number))
      Console.put(UInt64(truncatingIfNeeded: number))
      return 3
    }
    """
  }

  @Test(
    "a program built by hand has its lines, whatever ends it",
    .enabled(if: Command.find("swiftc") != nil, "there is no Swift toolchain in PATH"),
    .disabled(if: Command.isSlowHost, "there is no Swift toolchain"),
    arguments: [
      ("unsafe UnsafePointer<Int>(bitPattern: number &+ 0x3000_0000)!.pointee", "page fault, reading 0x30000000"),
      ("[1, 2, 3][number &+ 5]", "invalid instruction"),
      ("number + Int.max + 1", "invalid instruction"),
    ])
  func ownProgram(body: String, cause: String) throws {
    let folder = try ScratchFolder()
    let source = Self.program(body)
    let file = try folder.store("mine.swift", source.utf8)
    let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL.path
    let build = try Command.run(
      "/bin/sh",
      [
        "-c", "cd \"$1\" && exec \"$2\" program \"$3\" -o \"$4\"", "sh", root,
        Command.products.appending(path: "GuestBuilder").path, file, folder.path("mine.elf"),
      ], seconds: 300)
    try #require(build.status == 0, "\(build.all)")
    let result = try Command.run(Command.xokvm, ["boot", "--app", folder.path("mine.elf"), "--timeout", "20"])
    #expect(result.status == 139, "\(result.all)")
    let place = try #require(result.lines.firstIndex { $0.contains("ended: \(cause)") }, "\(result.all)")
    let inside = try line(of: body, in: source)
    let call = try line(of: "faulty(Int(", in: source)
    let report = result.lines[place + 1]
    #expect(report.contains("mine.swift:\(inside) faulty, called from mine.swift:\(call) programMain"), "\(result.all)")
  }

  @Test("a kernel panic's names the lines of the kernel")
  func panic() throws {
    // The monitor knows what the kernel and its programs need, and leaves other modules to the kernel.
    let folder = try ScratchFolder()
    let module = try folder.store("module", [UInt8](repeating: 0, count: 8 << 20))
    let result = try Command.run(
      Command.xokvm, ["boot", "--memory", "16", "--module", module, "--timeout", "20"])
    #expect(result.status == 70)
    let place = try #require(
      result.lines.firstIndex { $0.hasPrefix("[kernel] too little memory") && $0.hasSuffix("; MiB: 16") },
      "\(result.all)")
    #expect(
      result.lines[place + 1].contains(/called from \w+\.swift:\d+ \w+, called from KernelMain\.swift:\d+ kernelMain/),
      "\(result.all)")
    #expect(result.output.contains("rsp ffffffff808"), "\(result.all)")
  }

  @Test("an exception in the kernel names the function of a kernel that was given without line tables")
  func patchedKernel() throws {
    var kernel = GuestImages.kernel()
    let address = try #require(SymbolTable(of: kernel)["call_console_write"])
    let offset = try #require(ELFFile(kernel).offset(of: address))
    kernel.replaceSubrange(offset..<(offset + 2), with: [0x0f, 0x0b])
    let folder = try ScratchFolder()
    let path = try folder.store("kernel.elf", kernel)
    let result = try Command.run(Command.xokvm, ["boot", path, "--app", "hello", "--timeout", "20"])
    #expect(result.lines.contains { $0.hasPrefix("  at call_console_write+0x0") }, "\(result.all)")
  }

  @Test("what the processor cannot go on with is told with the instruction's bytes and its function")
  func tripleFault() throws {
    // UD2 with no interrupt table: the processor gives up.
    var kernel = TestKernel()
    kernel.emit(0x0f, 0x0b)
    let folder = try ScratchFolder()
    let path = try folder.store("kernel.elf", kernel.elf())
    let result = try Command.run(Command.xokvm, ["boot", path, "--timeout", "20"])
    #expect(result.status == 70, "\(result.all)")
    // AMD's SVM has forgotten the processor's state when a triple fault is told: the place is that of a reset.
    let told = result.lines.first { $0.hasPrefix("[xokvm] instruction 0x") }
    #expect(told?.contains(Command.isSlowHost ? " 0xfff0: " : ": 0f 0b") == true, "\(result.all)")
    #expect(result.output.contains("rip 000000000"), "\(result.all)")
  }
}
