import ExokernelABI
import Foundation
import FoundationXML
import Testing

@testable import Inspection

/// Expects text without control characters but those of SGR sequences.
func expectPlain(_ line: [UInt8]) {
  let text = String(decoding: line, as: UTF8.self).replacing(#/\u{1b}\[[0-9;]*m/#, with: "")
  #expect(
    !text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f || $0 == "\u{fffd}" },
    "\(text.debugDescription)")
}

/// Expects a document that an XML parser takes.
func expectWellFormed(_ page: [UInt8]) {
  let parser = XMLParser(data: Data(page))
  #expect(parser.parse(), "line \(parser.lineNumber): \(String(describing: parser.parserError))")
}

@Suite("Drawing the books")
struct DrawingTests {
  private let books: FabricatedBooks

  init() {
    books = FabricatedBooks(frames: 2048, firstFrame: 64)
    books.addEnvironment(0, "first")
    books.addEnvironment(11, "<b>\u{1b}[2J&\"", state: .waiting)
    books.environment(11).pointee.quotas[.frames] = Quota(limit: 500, used: 37)
    books.environment(11).pointee.faults = 9
    books.environment(11).pointee.transferEntry = 1
    books.hold(0, CapabilitySlot.root, Capability(name: 0, length: 0, rights: .all))
    books.giveSlice(0, 2, to: 11)
    books.giveFrames(64..<101, to: 11)
    books.header.pointee.counters.refusals = 1234
  }

  private func text(_ line: [UInt8]) -> String {
    String(decoding: line, as: UTF8.self).replacing(#/\u{1b}\[[0-9;]*m/#, with: "")
  }

  @Test("the terminal's lines fit 80 columns and tell map, vector, environments, tree and counters")
  func terminal() {
    let snapshot = BooksSnapshot(books.reader, columns: BooksDrawing.mapColumns, rows: BooksDrawing.mapRows)
    let lines = BooksDrawing.lines(snapshot)
    for line in lines {
      expectPlain(line)
      #expect(text(line).count <= 80)
    }
    let plain = lines.map(text)
    #expect(plain[0] == "frames  2048: 64 # kernel, 1947 . free; a cell is 2")
    let map = String(repeating: "#", count: 32) + String(repeating: "b", count: 19) + String(repeating: ".", count: 13)
    #expect(plain[1] == "      0 \(map)")
    #expect(plain[17] == "cpu 0   ..b" + String(repeating: ".", count: 61))
    let row = plain.first { $0.hasPrefix("b ") }
    #expect(
      row?.split(separator: " ") == ["b", "<b>?[2J&\"", "waiting", "37/500", "0/0", "0", "0", "0", "0", "0", "9", "t"])
    #expect(plain.contains("├ 1.0.0.0.1         =0 0:0 rwxagvck "))
    #expect(plain.contains("└ 1.11.0.0.1        =b b:0 rwxagvck "))
    #expect(plain.contains { $0.contains("refusals 1234") })
  }

  @Test("the page is well-formed, asks to be refreshed, and a name cannot write markup")
  func page() {
    let snapshot = BooksSnapshot(books.reader, columns: BooksPage.mapColumns, rows: BooksPage.mapRows)
    let bytes = BooksPage.bytes(snapshot, refreshSeconds: 7)
    expectWellFormed(bytes)
    let page = String(decoding: bytes, as: UTF8.self)
    #expect(page.contains("http-equiv=\"refresh\" content=\"7\""))
    #expect(page.contains("&lt;b&gt;?[2J&amp;&quot;") && !page.contains("<b>?[2J"))
    #expect(page.contains("<td>37/500</td>"))
    #expect(page.contains("<title>64 to 100: 37 taken, most by 11</title>"))
  }

  @Test("a line that did not change is not sent again, until all are; what is gone is erased")
  func screen() {
    var screen = TerminalScreen()
    func update(_ lines: String...) -> String {
      String(decoding: screen.update(lines.map { Array($0.utf8) }), as: UTF8.self)
    }
    #expect(
      update("one", "two")
        == "\u{1b}[2J\u{1b}[3;r\u{1b}[999;1H\u{1b}7\u{1b}[1;1Hone\u{1b}[K\u{1b}[2;1Htwo\u{1b}[K\u{1b}8")
    #expect(update("one", "2") == "\u{1b}7\u{1b}[2;1H2\u{1b}[K\u{1b}8")
    #expect(update("one") == "\u{1b}[2;r\u{1b}[999;1H\u{1b}7\u{1b}[2;1H\u{1b}[K\u{1b}8")
    for _ in 3..<16 { #expect(update("one") == "\u{1b}7\u{1b}8") }
    #expect(update("one") == "\u{1b}7\u{1b}[1;1Hone\u{1b}[K\u{1b}8")
  }
}
