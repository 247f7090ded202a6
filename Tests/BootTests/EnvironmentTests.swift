import Testing

@Suite("Environments", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct EnvironmentTests {
  @Test(
    "a thousand environments that a program makes, starts and ends leave nothing behind",
    arguments: [("1", ":", 1000), ("2", "2", 200)])
  func cycles(_ processors: String, _ hundreds: String, _ count: Int) throws {
    let result = try Guests.boot("children:\(hundreds)", options: ["--cpus", processors], seconds: 180)
    #expect(
      result.lines == ["[0 children] \(count) environments came and went, the books are as before"], "\(result.all)")
    #expect(result.status == 0)
  }
}
