import ExokernelABI

/// The books as lines of text for a terminal of 80 columns: everything is told by letters, and colours help.
public enum BooksDrawing {
  /// Cells of the map that it draws, in a row.
  public static let mapColumns = 64
  /// Rows of the map.
  public static let mapRows = 16
  /// Names of the capability tree that are drawn at most.
  private static let mostNames = 24

  /// Rows of a terminal that are left for what programs write.
  private static let otherRows = 4

  /// Rows of the map on a terminal with so many rows: a quarter of the usual ones where the rest would find no room. 0
  /// is a terminal of which nothing is known.
  public static func mapRows(height: Int) -> Int { height == 0 || height >= 36 ? mapRows : mapRows / 4 }

  /// The lines, without ends of line; they hold SGR sequences (ECMA-48 section 8.3.117) and no other control character.
  /// What finds no room in a terminal of `height` rows is left out, from the last line on; 0 is one that holds all.
  public static func lines(_ snapshot: BooksSnapshot, height: Int) -> [[UInt8]] {
    let all = lines(snapshot)
    return height == 0 ? all : Array(all.prefix(max(1, height - otherRows)))
  }

  /// All of them.
  public static func lines(_ snapshot: BooksSnapshot) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    appendFrames(snapshot, to: &lines)
    appendSlices(snapshot, to: &lines)
    appendEnvironments(snapshot, to: &lines)
    appendCapabilities(snapshot.tree, to: &lines)
    appendCounters(snapshot.header.counters, to: &lines)
    return lines
  }

  private static func appendFrames(_ snapshot: BooksSnapshot, to lines: inout [[UInt8]]) {
    var line = TextBuffer()
    line.heading("frames")
    line.tab(to: 8)
    line.put(UInt64(snapshot.header.frameCount))
    line.put(": ")
    line.put(UInt64(snapshot.map.kernel))
    line.put(" ")
    line.glyph(UInt8(ascii: "#"), Palette.kernel, isDense: true)
    line.put(" kernel, ")
    line.put(UInt64(snapshot.map.free))
    line.put(" . free; a cell is ")
    line.put(UInt64(snapshot.map.framesPerCell))
    lines.append(line.bytes)
    for row in 0..<snapshot.map.rows {
      let first = row * snapshot.map.columns
      var line = TextBuffer()
      line.put(UInt64(first) * UInt64(snapshot.map.framesPerCell), width: 7)
      line.put(" ")
      var column = 0
      while column < snapshot.map.columns {
        let end = snapshot.map.run(row: row, from: column)
        line.put(snapshot.map.cells[first + column], count: end - column)
        column = end
      }
      lines.append(line.bytes)
    }
  }

  private static func appendSlices(_ snapshot: BooksSnapshot, to lines: inout [[UInt8]]) {
    for processor in snapshot.vectors.indices {
      let vector = snapshot.vectors[processor]
      var line = TextBuffer()
      line.heading("cpu")
      line.put(" ")
      line.put(UInt64(processor))
      line.tab(to: 8)
      for position in vector.owners.indices {
        let isTurn = position == vector.position
        if isTurn { line.put(sequence: "\u{1b}[7m") }
        if vector.owners[position] == 0 {
          line.put(".")
        } else {
          line.owner(UInt64(vector.owners[position] - 1), isDense: !isTurn)
        }
        if isTurn { line.put(sequence: "\u{1b}[0m") }
      }
      lines.append(line.bytes)
    }
  }

  private static func appendEnvironments(_ snapshot: BooksSnapshot, to lines: inout [[UInt8]]) {
    var line = TextBuffer()
    line.heading("environments")
    line.tab(to: 18)
    line.put("state         frames slices fil ext env reg turns faults entry")
    lines.append(line.bytes)
    for environment in snapshot.environments {
      let record = environment.record
      var line = TextBuffer()
      line.owner(environment.number, isDense: true)
      line.put(" ")
      line.put(environment.name)
      line.tab(to: 18)
      line.put(environment.stateName)
      if record.processorPlusOne != 0 { line.put(UInt64(record.processorPlusOne - 1), width: 2) }
      line.put(used: record.quota(.frames), column: 38)
      line.put(used: record.quota(.slices), column: 45)
      for kind in [.filters, .extents, .environments, .regions] as [ResourceKind] {
        line.put(short: UInt64(record.quota(kind).used), width: 4)
      }
      line.put(" ")
      line.put(short: record.slicesRun, width: 5)
      line.put(" ")
      line.put(short: record.faults, width: 6)
      line.put(" ")
      line.put(environment.boundEntries)
      lines.append(line.bytes)
    }
  }

  private static func appendCapabilities(_ tree: CapabilityTree, to lines: inout [[UInt8]]) {
    var line = TextBuffer()
    line.heading("capabilities")
    line.put(" by name; environment:slot and rights; = its guard is this name")
    lines.append(line.bytes)
    var continues: [Bool] = []
    for node in tree.nodes.prefix(mostNames) {
      var line = TextBuffer()
      while continues.count > node.depth { continues.removeLast() }
      for level in continues.dropFirst() { line.put(level ? "│ " : "  ") }
      if node.depth > 0 { line.put(node.isLast ? "└ " : "├ ") }
      while continues.count <= node.depth { continues.append(false) }
      continues[node.depth] = !node.isLast
      line.put(name: node)
      appendHolders(node, to: &line)
      lines.append(line.bytes)
    }
    guard tree.nodes.count > mostNames else { return }
    var rest = TextBuffer()
    rest.put("and ")
    rest.put(UInt64(tree.nodes.count - mostNames))
    rest.put(" more names")
    lines.append(rest.bytes)
  }

  /// As many holders as find room on the line, and how many do not.
  private static func appendHolders(_ node: CapabilityNode, to line: inout TextBuffer) {
    line.tab(to: 20)
    for number in node.guarded where line.column < 60 {
      line.put("=")
      line.owner(UInt64(number), isDense: true)
      line.put(" ")
    }
    for index in node.holders.indices {
      guard line.column < 60 else {
        line.put("+")
        return line.put(UInt64(node.holders.count - index))
      }
      let holder = node.holders[index]
      line.owner(UInt64(holder.environment), isDense: true)
      line.put(":")
      line.put(UInt64(holder.slot))
      line.put(" ")
      line.put(rights: holder.rights)
      line.put(" ")
    }
  }

  private static func appendCounters(_ counters: Counters, to lines: inout [[UInt8]]) {
    var line = TextBuffer()
    line.heading("counters")
    line.put(" transfers ", counters.transfers)
    line.put("  refusals ", counters.refusals)
    line.put("  repossessions ", counters.repossessions)
    line.put("  interrupts ", counters.interrupts)
    lines.append(line.bytes)
    var second = TextBuffer()
    second.put("blocks ", counters.blocks)
    second.put("  packets received ", counters.packetsReceived)
    second.put(" sent ", counters.packetsSent)
    second.put(" unwanted ", counters.packetsUnwanted)
    second.put(" dropped ", counters.packetsDropped)
    lines.append(second.bytes)
  }
}

extension TextBuffer {
  fileprivate mutating func put(_ label: StaticString, _ value: UInt64) {
    put(label)
    put(Self.short(value, width: 7))
  }

  fileprivate mutating func heading(_ text: StaticString) {
    put(sequence: "\u{1b}[1m")
    put(text)
    put(sequence: "\u{1b}[0m")
  }

  /// `used/limit`, ending before `column`.
  fileprivate mutating func put(used quota: Quota, column wanted: Int) {
    let limit = Self.short(UInt64(quota.limit), width: 5)
    let used = Self.short(UInt64(quota.used), width: 5)
    put(spaces: max(0, wanted - column - used.count - limit.count - 1))
    put(used)
    put("/")
    put(limit)
  }

  /// Cells that look alike: the colour is named once, for each byte costs the kernel its copy.
  fileprivate mutating func put(_ cell: FrameCell, count: Int) {
    switch cell.use {
    case .absent: put(spaces: count)
    case .free: for _ in 0..<count { put(".") }
    case .kernel: glyph(UInt8(ascii: "#"), Palette.kernel, isDense: cell.isDense, count: count)
    case .environment(let number):
      let letter = Self.glyph(of: UInt64(number))
      glyph(letter, Palette.environment(UInt64(number)), isDense: cell.isDense, count: count)
    }
  }

  /// An environment's letter in its colour.
  fileprivate mutating func owner(_ number: UInt64, isDense: Bool) {
    glyph(Self.glyph(of: number), Palette.environment(number), isDense: isDense)
  }

  /// A letter: black on the colour, or the colour on the terminal's own background.
  fileprivate mutating func glyph(_ letter: UInt8, _ colour: OwnerColour, isDense: Bool, count: Int = 1) {
    put(sequence: isDense ? "\u{1b}[38;5;16;48;5;" : "\u{1b}[38;5;")
    put(sequence: colour.terminal)
    put(sequence: "m")
    for _ in 0..<count { put(letter) }
    put(sequence: "\u{1b}[0m")
  }
}
