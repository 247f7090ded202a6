import Testing

@testable import Hypervisor

@Suite("A name of a file's making on the console")
struct PrintableNameTests {
  @Test("is a short text of printable characters")
  func names() {
    #expect(printable("größe<T>(_:)") == "größe<T>(_:)")
    #expect(printable("\u{1b}[31m\r\n\t\u{0}\u{7f}\u{9b}\u{202e}\u{2028}\u{e000}") == "?[31m?????????")
    #expect(printable(String(repeating: "a", count: 1000)).utf8.count == 123)
  }
}
