import Testing

@Suite("Transfers and messages", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct TransferTests {
  @Test(
    "a server answers whom it accepts, knows who calls, and leaves nobody waiting when it ends", arguments: ["1", "2"])
  func transfers(_ processors: String) throws {
    let result = try Guests.boot("echotransfer", options: ["--cpus", processors])
    #expect(
      result.lines == ["[0 echotransfer] transfers arrive, are answered, and refused where they should be"],
      "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("messages pass through rings in frames that were shared by granting a capability", arguments: ["1", "2"])
  func rings(_ processors: String) throws {
    let result = try Guests.boot("sharedring", options: ["--cpus", processors])
    #expect(result.lines == ["[0 sharedring] 2000 messages came back"], "\(result.all)")
    #expect(result.status == 0)
  }
}
