import Testing

/// An exception that nobody serves, or that comes where nobody can.
struct WildException: CustomTestStringConvertible {
  let argument: String
  /// What its epitaph may say: processors differ.
  let epitaphs: [String]
  let testDescription: String

  init(argument: String, epitaph: String..., testDescription: String) {
    self.argument = argument
    epitaphs = epitaph
    self.testDescription = testDescription
  }

  static let all = [
    WildException(argument: "n", epitaph: "division error (vector 0", testDescription: "without a handler"),
    WildException(argument: "d", epitaph: "division error (vector 0", testDescription: "declined by the handler"),
    WildException(
      argument: "u", epitaph: "invalid instruction (vector 6", testDescription: "declined, from the kernel"),
    WildException(
      argument: "b", epitaph: "page fault, writing 0x7f0000001f78", testDescription: "with the stack in the books"),
    WildException(
      argument: "k", epitaph: "page fault, writing 0xffffffff80400f78 (the kernel's)",
      testDescription: "with the stack in the kernel"),
    WildException(
      argument: "g", epitaph: "page fault, writing 0x7f0000000f78", testDescription: "with the stack in the gate page"),
    WildException(
      argument: "w", epitaph: "stack violation (vector 12", "protection violation (vector 13",
      testDescription: "with a stack pointer that is no address"),
    WildException(
      argument: "e", epitaph: "protection violation (vector 13", testDescription: "with an entry that is no address"),
    WildException(
      argument: "l", epitaph: "kept the CPU past its slice", testDescription: "with the gate page itself as the entry"),
    WildException(argument: "s", epitaph: "page fault, writing", testDescription: "of its own invention"),
  ]
}

@Suite("Exceptions", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct ExceptionTests {
  @Test("are served in ring 3, nested and with the red zone kept, also at the ends of slices")
  func served() throws {
    let result = try Guests.boot("exceptions", "neighbour")
    #expect(result.lines.contains("[0 exceptions] exceptions are served"), "\(result.all)")
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well after many") })
    #expect(result.status == 0)
  }

  @Test("that nobody can serve end their environment alone", arguments: WildException.all)
  func wild(_ exception: WildException) throws {
    let result = try Guests.boot("wildexception:\(exception.argument)", "neighbour", options: ["--timeout", "30"])
    let epitaph = result.lines.first { $0.hasPrefix("[0 wildexception] ended: ") }
    #expect(exception.epitaphs.contains { epitaph?.contains($0) == true }, "\(result.all)")
    #expect(!result.output.contains("survived"))
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well after many") }, "\(result.all)")
    #expect(result.status == 139)
  }
  @Test("without a page to arrive in end their environment, and write nobody's", arguments: [1, 2])
  func pageless(_ processors: Int) throws {
    let result = try Guests.boot(
      "pagelessexceptions", "neighbour", options: ["--cpus", "\(processors)", "--timeout", "50"])
    #expect(result.lines.contains { $0.hasSuffix("] four ended, and wrote nothing") }, "\(result.all)")
    #expect(result.lines.count { $0.contains(" child] ended: ") } == 4, "\(result.all)")
    #expect(result.lines.contains { $0.hasPrefix("[1 neighbour] neighbour is well after many") }, "\(result.all)")
  }
}
