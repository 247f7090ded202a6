import ExokernelABI
import RandomFixtures
import Testing

@testable import Inspection

@Suite("A snapshot of the books")
struct SnapshotTests {
  @Test("the map shows the dominant owner of each range, and its sums are those of the frame records")
  func frames() {
    let books = FabricatedBooks(frames: 100, firstFrame: 20)
    books.giveFrames(20..<27, to: 3)
    books.giveFrames(27..<30, to: 4, kind: .pageTable)
    books.giveFrames(35..<36, to: 4, kind: .environmentPage)
    let map = FrameMap(books.reader, columns: 6, rows: 2)
    #expect(map.framesPerCell == 9)
    #expect(
      map.cells == [
        FrameCell(use: .kernel, taken: 9, count: 9), FrameCell(use: .kernel, taken: 9, count: 9),
        FrameCell(use: .environment(3), taken: 9, count: 9), FrameCell(use: .environment(4), taken: 4, count: 9),
      ]
        + [FrameCell](repeating: FrameCell(use: .free, taken: 0, count: 9), count: 7)
        + [FrameCell(use: .free, taken: 0, count: 1)])
    #expect(map.cells[2].isDense && !map.cells[3].isDense)
    #expect(map.totals[3] == FrameTotals(memory: 7, pageTables: 0, large: 0))
    #expect(map.totals[4] == FrameTotals(memory: 1, pageTables: 3, large: 0))
    #expect(map.kernel == 20 && map.free == 69)
  }

  @Test("a large frame is 512 of its owner's, though one record tells; a map may be larger than memory")
  func largeFrames() {
    let books = FabricatedBooks(frames: 2048, firstFrame: 1)
    books.giveFrames(1024..<1025, to: 9, kind: .large)
    let map = FrameMap(books.reader, columns: 64, rows: 64)
    #expect(map.framesPerCell == 1)
    #expect(map.totals[9] == FrameTotals(memory: 0, pageTables: 0, large: 512))
    #expect(map.cells[1023].use == .free && map.cells[1024].use == .environment(9))
    #expect(map.cells[1535].use == .environment(9) && map.cells[1536].use == .free)
    #expect(map.cells[2047].use == .free && map.cells[2048].use == .absent)
    #expect(map.free == 2048 - 1 - 512)
  }

  @Test("capabilities are a tree of their names: each below the longest prefix that is there")
  func tree() {
    let books = FabricatedBooks(frames: 64, firstFrame: 1)
    books.addEnvironment(0, "first")
    books.addEnvironment(1, "second")
    books.hold(0, CapabilitySlot.root, Capability(name: 0, length: 0, rights: .all))
    books.hold(0, 5, Capability(name: 0x0101 << 48, length: 2, rights: .read))
    books.hold(1, 1, Capability(name: 0x02 << 56, length: 1, rights: .read | .write))
    books.hold(1, 6, Capability(name: 0x0200 << 48, length: 2, rights: .read))
    books.hold(2, 0, Capability(name: 0x09 << 56, length: 1, rights: .all))
    let snapshot = BooksSnapshot(books.reader, columns: 4, rows: 4)
    let nodes = snapshot.tree.nodes
    func text(_ node: CapabilityNode) -> String {
      var buffer = TextBuffer()
      buffer.put(name: node)
      return String(decoding: buffer.bytes, as: UTF8.self)
    }
    #expect(
      nodes.map(text) == ["everything", "1.0.0.0.1", "1.1", "1.1.0.0.1", "2 disks", "2.0 disk"],
      "environment 2 does not exist: what lies in its slots is nothing")
    #expect(nodes.map(\.depth) == [0, 1, 1, 2, 1, 2])
    #expect(nodes.map(\.isLast) == [true, false, false, true, true, true])
    #expect(nodes[3].guarded == [1] && nodes[3].holders.map(\.environment) == [1])
    #expect(nodes[4].holders.map(\.rights) == [.read | .write])
  }

  @Test("slice vectors and environments are those of the records; the others have ended when nobody else lives")
  func environments() {
    let books = FabricatedBooks(frames: 64, firstFrame: 1, processors: 2)
    books.addEnvironment(0, "first")
    books.addEnvironment(7, "seventh", state: .sleeping)
    books.giveSlice(0, 0, to: 0)
    books.giveSlice(1, 63, to: 7)
    books.setTurn(1, 63, owner: 7)
    let snapshot = BooksSnapshot(books.reader, columns: 4, rows: 4)
    #expect(snapshot.environments.map(\.number) == [0, 7])
    #expect(snapshot.environments.map { String(decoding: $0.name, as: UTF8.self) } == ["first", "seventh"])
    #expect(snapshot.vectors.count == 2 && snapshot.vectors[0].owners[0] == 1)
    #expect(snapshot.vectors[1].owners[63] == 8 && snapshot.vectors[1].position == 63)
    #expect(snapshot.slices(of: 7) == 1 && snapshot.slices(of: 1) == 0)
    #expect(snapshot.hasOthers(than: 0))
    books.environment(7).pointee.state = EnvironmentState.ended.rawValue
    #expect(!BooksSnapshot(books.reader, columns: 4, rows: 4).hasOthers(than: 0))
  }

  @Test("books full of noise are drawn without harm")
  func noise() {
    let seed = UInt64.random(in: 0...(.max))
    print("noise: seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let books = FabricatedBooks(frames: 700, firstFrame: 1)
    for _ in 0..<20 {
      books.scramble(&generator)
      let snapshot = BooksSnapshot(books.reader, columns: 64, rows: 16)
      #expect(snapshot.vectors.count <= 4)
      for line in BooksDrawing.lines(snapshot) { expectPlain(line) }
      expectWellFormed(BooksPage.bytes(snapshot, refreshSeconds: 1))
    }
  }
}
