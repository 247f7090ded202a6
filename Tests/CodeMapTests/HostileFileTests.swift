import RandomFixtures
import Testing

@testable import CodeMap

@Suite("The map of a hostile file")
struct HostileFileTests {
  @Test("is given up after a stated amount of work, or is small", arguments: HostileELF.greedy)
  func greedy(_ file: HostileELF) throws {
    let bytes = file.bytes()
    let limit = CodeMap.Limit(byteCount: 64 << 20, steps: 1 << 20)
    let clock = ContinuousClock()
    var steps = 0
    let time = clock.measure {
      do throws(CodeMap.ReadingError) {
        let map = try CodeMap(elf: bytes, within: limit)
        steps = Self.size(of: map)
      } catch {
        #expect(error == .tooMuchWork(limit: 1 << 20))
        #expect("\(error)".contains("more than 1048576 steps"))
      }
    }
    #expect(steps <= 1 << 20)
    // A fraction of a second; most of these files would keep their reader busy for hours.
    #expect(time < .seconds(30), "\(time)")
  }

  @Test("of extreme values is one that answers", arguments: HostileELF.extreme)
  func extreme(_ file: HostileELF) throws {
    let map = try CodeMap(elf: file.bytes(), within: .report)
    for address in stride(from: UInt64(0xff0), to: 0x2010, by: 7) + [0, .max] {
      _ = map.places(at: address)
      _ = map.unwindRule(at: address)
    }
    #expect(CodeMap(encoded: map.encoded) != nil)
  }

  @Test("is none where the file is larger than what is read")
  func large() {
    #expect(throws: CodeMap.ReadingError.tooLarge(byteCount: 65, limit: 64)) {
      try CodeMap(elf: [UInt8](repeating: 0, count: 65), within: .init(byteCount: 64, steps: 1 << 20))
    }
  }

  @Test("with many bits changed is given up or one that answers")
  func changedBits() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    print("seed of hostile files: \(seed)")
    let files = HostileELF.extreme.map { $0.bytes() }
    for _ in 0..<1000 {
      var bytes = files[Int.random(in: 0..<files.count, using: &generator)]
      // The sections' bytes and the headers behind them, beside the code.
      for _ in 0..<Int.random(in: 1..<64, using: &generator) {
        let place =
          Bool.random(using: &generator)
          ? Int.random(in: 0..<64, using: &generator)
          : Int.random(in: 0x1040..<bytes.count, using: &generator)
        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      }
      let limit = CodeMap.Limit(byteCount: 64 << 20, steps: 1 << 16)
      guard let map = try? CodeMap(elf: bytes, within: limit) else { continue }
      #expect(Self.size(of: map) <= limit.steps, "seed \(seed)")
      for address in stride(from: UInt64(0xff0), to: 0x2010, by: 41) {
        #expect(map.places(at: address).count <= 65, "seed \(seed)")
        _ = map.unwindRule(at: address)
      }
    }
  }

  @Test("tells a bounded number of inlined calls of one place")
  func manyCalls() throws {
    var map = CodeMap()
    map.names = ["a"]
    map.functions = [.init(range: 0x1000..<0x2000, name: 0)]
    map.lines = [.init(address: 0x1000, file: 0, line: 1)]
    map.inlinedCalls = (0..<100_000).map {
      .init(range: 0x1000..<0x2000, name: 0, callFile: 0, callLine: $0, depth: $0)
    }
    let places = map.places(at: 0x1800)
    #expect(places.count == 65)
    #expect(places[1].line == 99_999, "the innermost first")
  }

  /// A lower bound of the steps that a map has cost: one for each of its parts and each byte of a name.
  private static func size(of map: CodeMap) -> Int {
    let parts = map.functions.count + map.lines.count + map.inlinedCalls.count + map.unwindRules.count
    return parts + map.unwindRules.reduce(0) { $0 + $1.saved.count } + map.names.reduce(0) { $0 + $1.utf8.count }
  }
}
