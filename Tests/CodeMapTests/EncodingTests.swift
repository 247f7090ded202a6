import GuestImages
import RandomFixtures
import Testing

@testable import CodeMap

@Suite("The encoding of a code map")
struct EncodingTests {
  @Test("the carried maps are read back, know their code and are small")
  func carried() throws {
    var total = 0
    for name in ["kernel"] + GuestImages.programPlaces().map(\.name) {
      let bytes = try #require(GuestImages.codeMap(of: name), "\(name) has no map")
      let map = try #require(CodeMap(encoded: bytes))
      #expect(map.encoded == bytes)
      #expect(map.functions.count > 10 && map.lines.count > 100 && map.unwindRules.count > 10, "\(name)")
      total += bytes.count
    }
    #expect(total < 10 << 20, "the command carries at most 10 MB of maps, and these have \(total) bytes")
    #expect(GuestImages.codeMap(of: "nobody") == nil)
  }

  @Test("a map comes back from it as it was", arguments: 0..<20 as Range<UInt64>)
  func roundTrip(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let map = Self.randomMap(&generator)
    #expect(CodeMap(encoded: map.encoded) == map)
  }

  @Test("damaged bytes are no map, or one that answers")
  func damaged() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    print("seed of damaged maps: \(seed)")
    for _ in 0..<500 {
      var bytes = Self.randomMap(&generator).encoded
      if Bool.random(using: &generator) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator)) }
      for _ in 0..<4 where !bytes.isEmpty {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      guard let map = CodeMap(encoded: bytes) else { continue }
      for _ in 0..<20 {
        let address = UInt64.random(in: 0..<0x4000, using: &generator)
        _ = map.places(at: address)
        _ = map.unwindRule(at: address)
      }
    }
  }

  @Test("bytes that are cut off are no map")
  func cut() throws {
    var generator = SeededGenerator(seed: 5)
    let bytes = Self.randomMap(&generator).encoded
    for count in 0..<bytes.count { #expect(CodeMap(encoded: Array(bytes[..<count])) == nil, "\(count)") }
  }

  private static func randomMap(_ generator: inout SeededGenerator) -> CodeMap {
    var map = CodeMap()
    map.names = (0..<8).map { "name\($0 * $0)" }
    var address: UInt64 = 0x1000
    func name() -> Int { Int.random(in: 0..<8, using: &generator) }
    for _ in 0..<40 {
      let range = address..<address + UInt64.random(in: 1..<200, using: &generator)
      map.functions.append(.init(range: range, name: name()))
      map.lines.append(
        .init(address: range.lowerBound, file: name(), line: Int.random(in: 0..<5000, using: &generator)))
      map.inlinedCalls.append(
        .init(
          range: range, name: name() - 1, callFile: name(), callLine: Int.random(in: 0..<300, using: &generator),
          depth: Int.random(in: 2..<9, using: &generator)))
      map.unwindRules.append(
        .init(
          address: range.lowerBound,
          frame: Bool.random(using: &generator) ? .init(register: name(), offset: Int64(name()) - 100) : nil,
          saved: [.init(register: name(), offset: -8 * Int64(name()))], isInterrupt: Bool.random(using: &generator)))
      address = range.upperBound + UInt64.random(in: 0..<100, using: &generator)
    }
    return map
  }
}
