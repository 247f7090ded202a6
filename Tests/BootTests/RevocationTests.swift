import Testing

@Suite("Revocation", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct RevocationTests {
  @Test("lets who gives choose, and takes from who refuses exactly what was asked, and names it", arguments: [1, 2])
  func givingAndRefusing(_ processors: Int) throws {
    let result = try Guests.boot(
      "presser", "pressed:gives", "pressed", options: ["--cpus", "\(processors)", "--timeout", "50"])
    #expect(result.lines.contains("[0 presser] environment 1 gave 10, lost 0"), "\(result.all)")
    #expect(result.lines.contains("[1 pressed] kept what it chose"), "\(result.all)")
    #expect(result.lines.contains("[0 presser] environment 2 gave 0, lost 10"), "\(result.all)")
    #expect(result.lines.contains("[2 pressed] lost what was named, and goes on"), "\(result.all)")
    #expect(result.lines.contains("[0 presser] exactly what was asked"), "\(result.all)")
    #expect(result.status == 0)
  }
  @Test("finds every mapping of what it takes, and tells others that had mapped it")
  func aliases() throws {
    let result = try Guests.boot("aliasedframes", options: ["--timeout", "30"])
    #expect(result.lines == ["[0 aliasedframes] taken from both places"], "\(result.all)")
    #expect(result.status == 0)
  }
}
