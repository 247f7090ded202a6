import Testing

@Suite("Protection", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct CapabilityTests {
  @Test("derives only weaker capabilities, grants by consent, destroys everywhere, and knows old handles from new ones")
  func capabilities() throws {
    let folder = try ScratchFolder()
    let disk = try folder.store("disk", try ScratchFolder.noise(4096))
    let result = try Guests.boot("capabilities", "capabilities", options: ["--disk", disk, "--timeout", "50"])
    #expect(result.lines.contains("[0 capabilities] capabilities are as granted"), "\(result.all)")
    #expect(result.lines.contains("[1 capabilities] capabilities are as granted"), "\(result.all)")
    #expect(result.status == 0)
  }

  @Test("gives each of several greedy programs its share of everything, and no more")
  func quotas() throws {
    let folder = try ScratchFolder()
    let disk = try folder.store("disk", try ScratchFolder.noise(4096))
    let result = try Guests.boot(
      "quotas", "quotas", "quotas", options: ["--disk", disk, "--memory", "64", "--timeout", "50"])
    for number in 0..<3 {
      #expect(result.lines.contains("[\(number) quotas] had its share of everything"), "\(result.all)")
    }
    #expect(result.status == 0)
  }

  @Test("keeps who shares a part of a frame inside that part")
  func regions() throws {
    let result = try Guests.boot("regions", "regions", "regions", options: ["--timeout", "50"])
    for number in 0..<3 {
      #expect(result.lines.contains("[\(number) regions] regions have bounds"), "\(result.all)")
    }
    #expect(result.status == 0)
  }
}
