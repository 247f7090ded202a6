import ExokernelABI

/// Who has most of the taken frames of a range.
public enum FrameUse: Equatable, Sendable {
  /// The range lies behind the end of memory.
  case absent
  /// Nobody has any of them.
  case free
  /// The kernel, and the boot archive with the programs' text.
  case kernel
  /// An environment.
  case environment(UInt8)
}

/// A range of frames on the map.
public struct FrameCell: Equatable, Sendable {
  /// Who has most of those that are taken.
  public var use: FrameUse
  /// Frames of the range that are taken.
  public var taken: UInt32
  /// Frames of the range.
  public var count: UInt32

  /// True where half of the range is taken, or more.
  public var isDense: Bool { UInt64(taken) * 2 >= UInt64(count) }
}

/// Frames of one owner by what they are used for; a large frame counts as 512.
public struct FrameTotals: Equatable, Sendable {
  /// Ordinary memory, and the environment page.
  public var memory: UInt32 = 0
  /// Page tables.
  public var pageTables: UInt32 = 0
  /// In large frames.
  public var large: UInt32 = 0
  /// All of them.
  public var all: UInt32 { memory &+ pageTables &+ large }
}

/// Physical memory as a grid of ranges of equal length, row by row, and the sums over all frames.
public struct FrameMap: Sendable {
  /// Cells of a row.
  public let columns: Int
  /// Rows.
  public let rows: Int
  /// Frames in a cell.
  public let framesPerCell: UInt32
  /// The cells, row by row.
  public private(set) var cells: [FrameCell]
  /// Sums by environment number.
  public private(set) var totals: [FrameTotals]
  /// Frames that are nobody's.
  public private(set) var free: UInt32 = 0
  /// Frames of the kernel and of the boot archive.
  public private(set) var kernel: UInt32 = 0
  /// Frames of the range being looked at, by environment; at last the kernel's.
  private var counts: [UInt32]

  /// Looks once at the record of every frame.
  public init(_ books: BooksReader, columns: Int, rows: Int) {
    self.init(frameCount: books.header.frameCount, columns: columns, rows: rows)
    read(books)
  }

  /// An empty map of a machine with `frameCount` frames, which has all the memory that it needs.
  init(frameCount: UInt32, columns: Int, rows: Int) {
    self.columns = max(1, columns)
    self.rows = max(1, rows)
    let cellCount = UInt32(truncatingIfNeeded: self.columns * self.rows)
    framesPerCell = max(1, frameCount / cellCount + (frameCount % cellCount == 0 ? 0 : 1))
    totals = [FrameTotals](repeating: FrameTotals(), count: Int(BooksLayout.environments))
    counts = [UInt32](repeating: 0, count: Int(BooksLayout.environments) + 1)
    cells = [FrameCell](repeating: FrameCell(use: .absent, taken: 0, count: 0), count: Int(cellCount))
  }

  /// Fills an empty map without allocating: so the reader's own frames stay as they are meanwhile.
  mutating func read(_ books: BooksReader) {
    let header = books.header
    var large = LargeFrame()
    var first: UInt32 = 0
    for index in cells.indices {
      let end = min(header.frameCount, first &+ framesPerCell)
      cells[index] = cell(first..<max(first, end), books, header, &large)
      first = max(first, end)
    }
  }

  /// The column behind the cells of `row` that look like the one at `first`: they have the same use and density.
  public func run(row: Int, from first: Int) -> Int {
    let start = cells[row * columns + first]
    var end = first + 1
    while end < columns {
      let next = cells[row * columns + end]
      guard next.use == start.use, next.isDense == start.isDense else { break }
      end += 1
    }
    return end
  }

  /// The large frame that the frames being looked at may be in.
  private struct LargeFrame {
    var owner = 0
    var end: UInt32 = 0
  }

  private mutating func cell(
    _ range: Range<UInt32>, _ books: BooksReader, _ header: BooksHeader, _ large: inout LargeFrame
  ) -> FrameCell {
    guard !range.isEmpty else { return FrameCell(use: .absent, taken: 0, count: 0) }
    let kernelIndex = counts.count - 1
    for index in counts.indices { counts[index] = 0 }
    for frame in range {
      if frame < header.firstFrame {
        counts[kernelIndex] += 1
        kernel += 1
      } else if let owner = owner(of: frame, books, &large) {
        counts[owner] += 1
      } else {
        free += 1
      }
    }
    var best = 0
    var taken: UInt32 = 0
    for index in counts.indices {
      taken += counts[index]
      if counts[index] > counts[best] { best = index }
    }
    let use: FrameUse =
      taken == 0 ? .free : best == kernelIndex ? .kernel : .environment(UInt8(truncatingIfNeeded: best))
    return FrameCell(use: use, taken: taken, count: UInt32(range.count))
  }

  /// The environment that has `frame`, which is added to its sums; nil where it is free.
  private mutating func owner(of frame: UInt32, _ books: BooksReader, _ large: inout LargeFrame) -> Int? {
    // Only the first record of a large frame tells.
    if frame < large.end {
      totals[large.owner].large += 1
      return large.owner
    }
    guard let record = books.frame(UInt64(frame)), record.kind != FrameKind.free.rawValue,
      Int(record.owner) < totals.count
    else { return nil }
    let owner = Int(record.owner)
    switch record.kind {
    case FrameKind.large.rawValue, FrameKind.revokedLarge.rawValue:
      large = LargeFrame(owner: owner, end: frame &+ FrameRecord.largeWeight)
      totals[owner].large += 1
    case FrameKind.pageTable.rawValue: totals[owner].pageTables += 1
    default: totals[owner].memory += 1
    }
    return owner
  }
}
