import ExokernelABI

/// The drawn parts of the page, as SVG inside it.
enum PageGraphics {
  /// Sides of a cell.
  private static let cell: UInt64 = 12

  static func appendFrames(_ snapshot: BooksSnapshot, to page: inout TextBuffer) {
    page.put("<h2>Frames by owner: a cell is ")
    page.put(UInt64(snapshot.map.framesPerCell))
    page.put(" frames, pale where less than half of them are taken</h2>\n")
    open("frames", columns: snapshot.map.columns, rows: snapshot.map.rows, to: &page)
    for row in 0..<snapshot.map.rows {
      var column = 0
      while column < snapshot.map.columns {
        let end = snapshot.map.run(row: row, from: column)
        appendRun(snapshot, row, column..<end, to: &page)
        column = end
      }
    }
    page.put("</svg>\n<p><b class=\"k\">kernel</b>")
    for environment in snapshot.environments {
      page.put(" <b class=\"")
      page.colourClass(of: environment.number)
      page.put("\">")
      page.put(environment.number)
      page.put(" ")
      page.put(escaped: environment.name)
      page.put("</b>")
    }
    page.put("</p>\n")
  }

  private static func appendRun(
    _ snapshot: BooksSnapshot, _ row: Int, _ columns: Range<Int>, to page: inout TextBuffer
  ) {
    let map = snapshot.map
    let cells = map.cells[row * map.columns + columns.lowerBound..<row * map.columns + columns.upperBound]
    guard let look = cells.first, look.use != .free, look.use != .absent else { return }
    var taken: UInt64 = 0
    var count: UInt64 = 0
    for cell in cells {
      taken += UInt64(cell.taken)
      count += UInt64(cell.count)
    }
    page.put("<rect class=\"")
    if case .environment(let number) = look.use { page.colourClass(of: UInt64(number)) } else { page.put("k") }
    rectangle(column: columns.lowerBound, row: row, width: columns.count, to: &page)
    if !look.isDense { page.put(" opacity=\".55\"") }
    page.put("><title>")
    let first = UInt64(row * map.columns + columns.lowerBound) * UInt64(map.framesPerCell)
    page.put(first)
    page.put(" to ")
    page.put(first + count - 1)
    page.put(": ")
    page.put(taken)
    page.put(" taken, most by ")
    if case .environment(let number) = look.use {
      page.put(UInt64(number))
    } else {
      page.put("the kernel")
    }
    page.put("</title></rect>\n")
  }

  static func appendSlices(_ snapshot: BooksSnapshot, to page: inout TextBuffer) {
    page.put("<h2>Slice vectors, one bar for each processor; framed is the position whose turn it is</h2>\n")
    for processor in snapshot.vectors.indices {
      let vector = snapshot.vectors[processor]
      open("slices", columns: vector.owners.count, rows: 1, to: &page)
      for position in vector.owners.indices {
        let owner = UInt64(vector.owners[position])
        let isTurn = position == vector.position
        guard owner != 0 || isTurn else { continue }
        page.put("<rect class=\"")
        if owner != 0 { page.colourClass(of: owner - 1) }
        if isTurn { page.put(" turn") }
        rectangle(column: position, row: 0, width: 1, to: &page)
        if owner == 0 { page.put(" fill=\"none\"") }
        page.put("><title>processor ")
        page.put(UInt64(processor))
        page.put(", position ")
        page.put(UInt64(position))
        page.put(owner == 0 ? ": free" : ": environment ")
        if owner != 0 { page.put(owner - 1) }
        page.put("</title></rect>\n")
      }
      page.put("</svg>\n")
    }
  }

  private static func open(_ name: StaticString, columns: Int, rows: Int, to page: inout TextBuffer) {
    page.put("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"")
    page.put(name)
    page.put("\" viewBox=\"0 0 ")
    page.put(UInt64(columns) * cell)
    page.put(" ")
    page.put(UInt64(rows) * cell)
    page.put("\">\n")
  }

  /// Ends the class and places a rectangle, with a gap to its neighbours.
  private static func rectangle(column: Int, row: Int, width: Int, to page: inout TextBuffer) {
    page.put("\" x=\"")
    page.put(UInt64(column) * cell)
    page.put("\" y=\"")
    page.put(UInt64(row) * cell)
    page.put("\" width=\"")
    page.put(UInt64(width) * cell - 1)
    page.put("\" height=\"")
    page.put(cell - 1)
    page.put("\"")
  }
}
