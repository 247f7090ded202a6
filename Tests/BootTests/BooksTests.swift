import Foundation
import FoundationXML
import Testing

@Suite("Seeing the books", .enabled(if: Command.hasKVM, "there is no usable /dev/kvm"))
struct BooksTests {
  /// Numbers of a text, in their order.
  private func numbers(_ text: some StringProtocol) -> [Int] {
    text.split { !$0.isNumber }.compactMap { Int($0) }
  }

  @Test("the terminal shows map, slice vector, environments and capabilities as they are")
  func drawing() throws {
    let folder = try ScratchFolder()
    let terminal = try TestTerminal()
    let arguments = try Guests.arguments(["books:frames=6", "politeloop", "politeloop"], in: folder)
    let machine = try SpawnedCommand(
      Command.xokvm, arguments + ["--memory", "64", "--timeout", "60"], output: .file(terminal.path))
    // Sent at the end.
    let output = terminal.read(until: "\u{1b}[r\u{1b}[999;1H", seconds: 30)
    #expect(output.contains("\u{1b}[r\u{1b}[999;1H"), "\(output)\(machine.errors)")
    machine.signal(SIGTERM)
    #expect(machine.status(within: 10) == 128 + SIGTERM && machine.errors.isEmpty, "\(machine.errors)")
    let screen = TerminalText(output)
    #expect(screen.strays.isEmpty, "\(screen.strays)")
    let lines = screen.lines
    let shown = Comment(rawValue: lines.joined(separator: "\n"))

    let rows = lines.filter { $0.contains(#/^[0-9a-z] (books|politeloop) /#) }
    #expect(rows.map { $0.prefix(12) } == ["0 books     ", "1 politeloop", "2 politeloop"], shown)
    #expect(rows.dropFirst().allSatisfy { $0.contains("runnable") && $0.hasSuffix(" fe") }, shown)
    // The quota's count of frames, which is kept apart from the records that the map and the sums come from.
    let owned = rows.compactMap { row in row.firstMatch(of: #/([0-9]+)/[0-9]+ +1//#).flatMap { Int($0.1) } }
    let sums = numbers(lines.first { $0.hasPrefix("frames ") } ?? "")
    try #require(owned.count == 3 && sums.count == 4, shown)
    #expect(sums[0] == 64 << 8 && sums[1] + sums[2] + owned.reduce(0, +) == sums[0], shown)
    #expect(sums[3] == sums[0] / 1024, shown)

    let map = lines.dropFirst().prefix(16).map { $0.dropFirst(8) }
    #expect(map.allSatisfy { $0.count == 64 }, shown)
    let cells = map.joined()
    #expect(cells.prefix { $0 == "#" }.count == (sums[1] + sums[3] / 2) / sums[3], shown)
    #expect(Set(cells).isSubset(of: ["#", ".", "0", "1", "2"]) && cells.contains("0"), shown)
    let vector = try #require(lines.firstIndex { $0.hasPrefix("cpu 0 ") }, shown)
    #expect(lines[vector].dropFirst(8) == "012" + String(repeating: ".", count: 61), shown)
    // Who reads is who runs.
    #expect(screen.inverse == [[vector, 8]], shown)

    for line in ["everything          0:3 rwxagvck", "├ 1.1.0.0.1         =1 1:0 rwxagvck"] {
      #expect(lines.contains(line), shown)
    }
    #expect(lines.contains { $0.hasPrefix("└ 3 networks        0:2 rwag 1:2 rwag 2:2 rwag") }, shown)
  }

  @Test("the drawing ends with the last of the others, whose lines scroll below it")
  func end() throws {
    let terminal = try TestTerminal()
    let machine = try SpawnedCommand(
      Command.xokvm, ["boot", "--app", "books", "--app", "hello", "--timeout", "60"], output: .file(terminal.path))
    let output = terminal.read(until: "\u{1b}[r\u{1b}[999;1H", seconds: 30)
    #expect(machine.status(within: 10) == 0 && machine.errors.isEmpty, "\(machine.errors)")
    let screen = TerminalText(output)
    #expect(screen.strays.isEmpty, "\(screen.strays)")
    #expect(screen.lines.contains { $0.hasPrefix("0 books ") })
    // Its record may still be there, until its frames have gone back.
    let living = screen.lines.filter { $0.hasPrefix("1 hello ") && !$0.contains(" ended ") }
    #expect(living.isEmpty, "\(screen.lines)")
    #expect(screen.lines.last?.hasPrefix("[1 hello] slice") == true || output.contains("step 3"))
  }

  @Test("a machine that is ended leaves the whole terminal to scroll, and the cursor on a fresh last line")
  func ended() throws {
    let folder = try ScratchFolder()
    for number in [SIGINT, SIGTERM] {
      let terminal = try TestTerminal()
      let machine = try SpawnedCommand(
        Command.xokvm, try Guests.arguments(["books", "politeloop"], in: folder) + ["--timeout", "60"],
        input: .file(terminal.path), output: .file(terminal.path))
      let drawing = terminal.read(until: "counters", seconds: 30)
      #expect(drawing.contains(#/\x{1b}\[[0-9]+;r/#), "\(drawing)\(machine.errors)")
      machine.signal(number)
      let rest = terminal.read(until: "\u{1b}[r\u{1b}[999;1H\r\n")
      #expect(rest.hasSuffix("\u{1b}[0m\u{1b}[r\u{1b}[999;1H\r\n"), "\(rest.debugDescription)")
      #expect(machine.status(within: 10) == 128 + number && machine.errors.isEmpty, "\(machine.errors)")
    }
  }

  @Test("a terminal of 24 rows has a drawing that fits, and rows for the others' lines")
  func smallTerminal() throws {
    let terminal = try TestTerminal()
    terminal.resize(rows: 24, columns: 80)
    let machine = try SpawnedCommand(
      Command.xokvm, ["boot", "--app", "books", "--app", "hello", "--timeout", "60"], output: .file(terminal.path))
    let output = terminal.read(until: "\u{1b}[r\u{1b}[999;1H", seconds: 30)
    #expect(machine.status(within: 10) == 0 && machine.errors.isEmpty, "\(machine.errors)")
    let rows = output.matches(of: #/\x{1b}\[([0-9]+);1H/#).compactMap { Int($0.1) }.filter { $0 != 999 }
    #expect((rows.max() ?? 0) > 10 && rows.allSatisfy { $0 <= 20 }, "\(rows)")
    let regions = output.matches(of: #/\x{1b}\[([0-9]+);r/#).compactMap { Int($0.1) }
    #expect(!regions.isEmpty && regions.allSatisfy { $0 <= 21 }, "\(regions)")
    #expect(TerminalText(output).lines.contains { $0.hasPrefix("0 books ") }, "\(output)")
  }

  @Test("where the console is no terminal the books are lines, without one control character")
  func plain() throws {
    let result = try Command.run(Command.xokvm, ["boot", "--app", "books:once", "--app", "hello", "--timeout", "60"])
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.all)")
    #expect(!result.output.utf8.contains { $0 < 0x20 && $0 != 10 }, "\(result.output.debugDescription)")
    #expect(result.lines.contains { $0.hasPrefix("[0 books] frames ") }, "\(result.all)")
    #expect(result.lines.contains { $0.contains(#/^\[0 books\] 1 hello /#) }, "\(result.all)")
    #expect(!result.output.contains("bytes dropped"))
  }

  @Test("what it does not understand, and a console that is not its own, are told in a line")
  func refusals() throws {
    for argument in ["books:twice", "books:frames=0", "books:frames=-1", "books:rows=x"] {
      let result = try Command.run(Command.xokvm, ["boot", "--app", argument])
      #expect(result.status == 64 && result.output.contains("usage: books"), "\(result.all)")
    }
    let terminal = try TestTerminal()
    let second = try SpawnedCommand(
      Command.xokvm, ["boot", "--app", "hello", "--app", "books:once"], output: .file(terminal.path))
    let output = terminal.read(until: "name books as the first --app")
    #expect(output.contains("name books as the first --app"), "\(output)\(second.errors)")
  }

  @Test("the page is served anew for each request, is well-formed, and agrees with the machine")
  func page() throws {
    let folder = try ScratchFolder()
    let port = try Command.freePort()
    let machine = try Guests.start(
      ["status", "politeloop", "politeloop"], in: folder, options: ["--publish", "\(port):80", "--timeout", "120"])
    #expect(machine.waitForOutput("serving"), "\(machine.output)\(machine.errors)")
    let client = try WebClient(port: port)
    let first = try fetch(client, "/")
    // Some slices: both requests might be served in one.
    Thread.sleep(forTimeInterval: 0.2)
    let second = try fetch(client, "/index.html")
    for page in [first, second] {
      #expect(page.rows.map { $0[1] } == ["status", "politeloop", "politeloop"])
      #expect(page.rows.map { $0[0] } == ["0", "1", "2"])
      #expect(page.rows[0][2] == "running 0" && page.rows[1][2] == "runnable")
      // Filters of the server and of the others.
      #expect(page.rows.map { $0[6].prefix { $0 != "/" } } == ["1", "0", "0"])
      let sums = numbers(page.summary)
      let owned = page.rows.compactMap { Int($0[3].prefix { $0 != "/" }) }.reduce(0, +)
      #expect(
        sums.count == 5 && sums[0] == 3 && sums[1] == 1 && sums[3] + sums[4] + owned == sums[2], "\(page.summary)")
      #expect(page.source.contains("<code>everything</code> · <b class=\"c0\">0</b>:3 rwxagvck"))
      #expect(
        page.source.contains("<code>1.2.0.0.1</code> guard of <b class=\"c2\">2</b> · <b class=\"c2\">2</b>:0 rwxagvck")
      )
      #expect(page.source.contains("http-equiv=\"refresh\"") && !page.source.contains("<script"))
      for position in 0..<3 {
        #expect(page.source.contains("position \(position): environment \(position)<"))
      }
    }
    func turns(_ page: StatusPage) -> [Int] { page.rows.compactMap { Int($0[10]) } }
    #expect(zip(turns(first), turns(second)).allSatisfy { $0 < $1 }, "\(turns(first)) \(turns(second))")
    #expect(try client.request("GET", "/other").status == 404)
    #expect(try client.request("HEAD", "/").status == 200)
    machine.signal(SIGTERM)
    #expect(machine.wait(seconds: 10).errors.isEmpty)
  }

  @Test("the page cannot be served without an interface, and its arguments are checked")
  func pageRefusals() throws {
    let without = try Command.run(Command.xokvm, ["boot", "--app", "status"])
    #expect(without.status == 69 && without.output.contains("give one with --network"), "\(without.all)")
    let wrong = try Command.run(Command.xokvm, ["boot", "--app", "status:disk=0"])
    #expect(wrong.status == 64 && wrong.output.contains("usage: status"), "\(wrong.all)")
  }

  private func fetch(_ client: WebClient, _ path: String) throws -> StatusPage {
    let response = try client.request("GET", path)
    #expect(response.status == 200 && response.headers["content-type"] == "text/html; charset=utf-8")
    let page = StatusPage(response.body)
    #expect(page.error == nil, "\(String(describing: page.error))")
    return page
  }
}

/// The status page as an XML parser sees it.
private final class StatusPage: NSObject, XMLParserDelegate {
  let source: String
  /// The cells of the table of environments, without its head.
  private(set) var rows: [[String]] = []
  /// The first paragraph.
  private(set) var summary = ""
  private(set) var error: (any Error)?

  private var isInTable = false
  private var text = ""

  init(_ bytes: [UInt8]) {
    source = String(decoding: bytes, as: UTF8.self)
    super.init()
    let parser = XMLParser(data: Data(bytes))
    parser.delegate = self
    if !parser.parse() { error = parser.parserError }
    rows.removeAll { $0.isEmpty }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    if name == "table" { isInTable = attributes["id"] == "environments" }
    if name == "tr", isInTable { rows.append([]) }
    if name == "td" || name == "p" { text = "" }
  }

  func parser(_ parser: XMLParser, foundCharacters characters: String) { text += characters }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    if name == "td", isInTable { rows[rows.count - 1].append(text) }
    if name == "p", summary.isEmpty { summary = text }
  }
}
