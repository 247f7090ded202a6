import ExokernelABI
import Inspection
import LibOS

/// Draws the live books in the terminal until no other environment lives. It reads the exposed pages only: the kernel is called to write
/// what was drawn, and to sleep.
///
/// The console as a whole is the first program's: it holds the root capability. Started as another one it ends with status 77.
@c(program_main)
public func booksMain() -> Int32 {
  guard let limit = frameLimit(Environment.arguments()) else {
    Console.line("books: usage: books[:once|:frames=N]")
    return ExitStatus.usage
  }
  guard Books.header.layoutVersion == BooksHeader.currentLayoutVersion else {
    Console.line("books: the kernel's books have another layout: build kernel and program from one source")
    return ExitStatus.systemError
  }
  var screen = TerminalScreen()
  var drawn: UInt64 = 0
  do throws(CallError) {
    while true {
      let snapshot = BooksSnapshot(Books.reader, columns: BooksDrawing.mapColumns, rows: BooksDrawing.mapRows)
      try draw(screen.update(BooksDrawing.lines(snapshot)))
      drawn += 1
      if drawn == limit || limit == 0 && !snapshot.hasOthers(than: Environment.number) { break }
      sleep(nanoseconds: refreshInterval)
    }
    try draw(screen.end())
  } catch {
    Console.line("books: the kernel refused the console: name books as the first --app")
    return ExitStatus.notPermitted
  }
  return 0
}

/// Exit statuses of sysexits.h.
private enum ExitStatus {
  static let usage: Int32 = 64
  static let systemError: Int32 = 71
  static let notPermitted: Int32 = 77
}

/// Nanoseconds between two drawings.
private let refreshInterval: UInt64 = 250_000_000

/// How often to draw, 0 for as long as others live; nil where the arguments are not understood.
private func frameLimit(_ arguments: [UInt8]) -> UInt64? {
  if arguments.isEmpty { return 0 }
  if equal(arguments[...], "once") { return 1 }
  guard arguments.count > 7, arguments.count <= 13, equal(arguments[..<7], "frames=") else { return nil }
  var value: UInt64 = 0
  for digit in arguments[7...] {
    guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
    value = value * 10 + UInt64(digit - UInt8(ascii: "0"))
  }
  return value > 0 ? value : nil
}

private func equal(_ bytes: ArraySlice<UInt8>, _ text: StaticString) -> Bool {
  guard bytes.count == text.utf8CodeUnitCount else { return false }
  // A literal's bytes live as long as the program; the index stays below their count.
  for (index, byte) in bytes.enumerated() where unsafe byte != text.utf8Start[index] { return false }
  return true
}

/// Writes bytes as they are, as many at a time as the console buffer holds, cut before an escape sequence: another program's line may come
/// between two pieces, and must not land inside of one.
private func draw(_ bytes: [UInt8]) throws(CallError) {
  var start = 0
  while start < bytes.count {
    var count = min(bytes.count - start, Int(EnvironmentPage.consoleCapacity))
    if start + count < bytes.count, let escape = bytes[start + 1..<start + count].lastIndex(of: 0x1b) {
      count = escape - start
    }
    Console.fill(bytes[start..<start + count])
    try KernelCall.consoleDraw(count: UInt64(count), capability: CapabilitySlot.root)
    start += count
  }
}

/// Sleeps through events, too.
private func sleep(nanoseconds: UInt64) {
  let deadline = Clock.timeStamp(after: nanoseconds)
  while Clock.timeStamp < deadline { KernelCall.sleep(events: Environment.events, deadline: deadline) }
}
