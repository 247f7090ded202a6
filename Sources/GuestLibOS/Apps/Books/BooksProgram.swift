import ExokernelABI
import Inspection
import LibOS

/// Draws the live books in the terminal until no other environment lives; where the console is none, prints them as
/// lines. It reads the exposed pages only: the kernel is called to write what was drawn, and to sleep.
///
/// The console as a whole is the first program's: it holds the root capability. Started as another one it ends with
/// status 77.
@c(program_main)
public func booksMain() -> Int32 {
  guard let (limit, height) = limits(Environment.arguments()) else {
    Console.line("books: usage: books[:once|:frames=N][,rows=N]")
    return ExitStatus.usage
  }
  guard Books.header.layoutVersion == BooksHeader.currentLayoutVersion else {
    Console.line("books: the kernel's books have another layout: build kernel and program from one source")
    return ExitStatus.systemError
  }
  let isTerminal = Books.header.consoleKind == 0
  var screen = TerminalScreen()
  var drawn: UInt64 = 0
  do throws(CallError) {
    while true {
      let snapshot = BooksSnapshot(
        Books.reader, columns: BooksDrawing.mapColumns, rows: BooksDrawing.mapRows(height: height))
      let lines = BooksDrawing.lines(snapshot, height: height)
      if isTerminal { try draw(screen.update(lines)) } else { print(lines) }
      drawn += 1
      if drawn == limit || limit == 0 && !snapshot.hasOthers(than: Environment.number) { break }
      sleep(nanoseconds: refreshInterval)
    }
    if isTerminal { try draw(screen.end()) }
  } catch {
    Console.line("books: the kernel refused the console: name books as the first --app")
    return ExitStatus.notPermitted
  }
  return 0
}

/// Nanoseconds between two drawings.
private let refreshInterval: UInt64 = 250_000_000

/// Nanoseconds until the kernel takes more, the length of a usual slice.
private let drawingPause: UInt64 = 10_000_000

/// How often to draw, 0 for as long as others live, and how many rows the terminal has, 0 where nobody has told; nil
/// where the arguments are not understood.
private func limits(_ arguments: [UInt8]) -> (frames: UInt64, rows: Int)? {
  var limits = (frames: 0 as UInt64, rows: 0)
  for part in arguments.split(separator: UInt8(ascii: ",")) {
    if ArgumentText.equal(part, "once") {
      limits.frames = 1
    } else if ArgumentText.equal(part.prefix(7), "frames="), let frames = ArgumentText.number(part.dropFirst(7)),
      frames > 0
    {
      limits.frames = frames
    } else if ArgumentText.equal(part.prefix(5), "rows="), let rows = ArgumentText.number(part.dropFirst(5)),
      rows < 1000
    {
      limits.rows = Int(rows)
    } else {
      return nil
    }
  }
  return limits
}

/// Writes lines one below the other, without their SGR sequences (from an escape character to an m), for a console that
/// is no terminal.
private func print(_ lines: [[UInt8]]) {
  for line in lines {
    var isInSequence = false
    for byte in line {
      if byte == 0x1b { isInSequence = true }
      if !isInSequence { Console.put(byte) }
      if byte == UInt8(ascii: "m") { isInSequence = false }
    }
    Console.flush()
  }
}

/// Writes bytes as they are, as many at a time as the console buffer holds, cut before an escape sequence: another
/// program's line may come between two pieces, and must not land inside of one.
private func draw(_ bytes: [UInt8]) throws(CallError) {
  var start = 0
  while start < bytes.count {
    var count = min(bytes.count - start, Int(EnvironmentPage.consoleCapacity))
    if start + count < bytes.count, let escape = bytes[start + 1..<start + count].lastIndex(of: 0x1b) {
      count = escape - start
    }
    Console.fill(bytes[start..<start + count])
    do {
      try KernelCall.consoleDraw(count: UInt64(count), capability: CapabilitySlot.root)
      start += count
    } catch CallError.again {
      // The budget is renewed after the length of a slice; the piece is drawn then.
      sleep(nanoseconds: drawingPause)
    }
  }
}

/// Sleeps through events, too.
private func sleep(nanoseconds: UInt64) {
  let deadline = Clock.timeStamp(after: nanoseconds)
  while Clock.timeStamp < deadline { KernelCall.sleep(events: Environment.events, deadline: deadline) }
}
