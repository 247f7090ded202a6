/// The upper lines of a terminal, redrawn in place; what others write scrolls below them.
///
/// Control functions of ECMA-48 and of the VT100, which every terminal emulator knows: cursor position, erase, SGR,
/// save and restore the cursor, scrolling region. A line is sent when it changed, and all of them now and then, for
/// other programs may have written into one.
public struct TerminalScreen {
  private var shown: [[UInt8]] = []
  private var updates = 0

  /// Updates after which every line is sent again.
  private static let fullInterval = 16

  /// A screen of which nothing is known.
  public init() {}

  /// What to send for `lines` to be shown.
  public mutating func update(_ lines: [[UInt8]]) -> [UInt8] {
    var output = TextBuffer()
    let isFull = updates % Self.fullInterval == 0
    if updates == 0 { output.put("\u{1b}[2J") }
    if lines.count != shown.count {
      // The cursor goes to the last line, wherever that is: there the others write.
      output.put("\u{1b}[")
      output.put(UInt64(lines.count + 1))
      output.put(";r\u{1b}[999;1H")
    }
    output.put("\u{1b}7")
    for index in 0..<max(lines.count, shown.count) {
      let line = index < lines.count ? lines[index] : []
      if !isFull, index < shown.count, shown[index] == line { continue }
      output.put("\u{1b}[")
      output.put(UInt64(index + 1))
      output.put(";1H")
      output.put(line)
      output.put("\u{1b}[K")
    }
    output.put("\u{1b}8")
    shown = lines
    updates += 1
    return output.bytes
  }

  /// What to send when nothing more will be drawn: the whole terminal scrolls again, from its last line.
  public func end() -> [UInt8] {
    var output = TextBuffer()
    output.put("\u{1b}[r\u{1b}[999;1H\n")
    return output.bytes
  }
}
