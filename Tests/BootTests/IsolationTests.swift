import Testing

@Suite("An environment", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct IsolationTests {
  @Test("finds nobody's memory behind the frame table", arguments: [64, 300])
  func frameTable(_ memory: Int) throws {
    let result = try Guests.boot("tableend", options: ["--memory", "\(memory)"])
    #expect(result.lines == ["[0 tableend] nothing behind the frame table"], "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("that ended gives everything back though another never lets the processor idle")
  func reaping() throws {
    let result = try Guests.boot("recordwatcher", "userthreads")
    #expect(result.lines.contains("[0 recordwatcher] the record is free"), "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("finds nothing of another's in the vector registers, nor in their control word")
  func vectorRegisters() throws {
    let result = try Guests.boot("traceleaver", "tracereader")
    #expect(result.lines == ["[1 tracereader] clean registers"], "\(result.all)")
    #expect(result.status == 0)
  }
}
