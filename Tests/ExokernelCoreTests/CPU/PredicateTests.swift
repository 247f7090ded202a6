import ExokernelABI
import RandomFixtures
import Testing

@testable import ExokernelCore

@Suite("Wakeup predicates")
struct PredicateTests {
  /// Binds comparisons that lie in a fresh frame.
  private func bind(_ world: World, _ comparisons: [Comparison], slot: UInt64 = 0) throws -> CallError? {
    let frame = try world.allocate()
    for (index, comparison) in comparisons.enumerated() {
      world.machine.put(UInt64(frame) << 12 + 64 + UInt64(index) * 40, comparison)
    }
    return world.kernel.predicateBind(slot: slot, frame: UInt64(frame), offset: 64, count: UInt64(comparisons.count))
      .error
  }

  /// The term that holds, counted from 1; nil where none does.
  private func evaluate(_ comparisons: [Comparison], _ word: (Comparison) -> UInt64) -> UInt64? {
    var term: UInt64 = 1
    var holds = true
    for (index, comparison) in comparisons.enumerated() {
      let value = word(comparison) & comparison.mask
      let isInside =
        comparison.low <= comparison.high
        ? (comparison.low...comparison.high).contains(value) : value >= comparison.low || value <= comparison.high
      holds = holds && isInside
      if comparison.sourceAndEnd >> 32 & 1 == 1 || index == comparisons.count - 1 {
        if holds { return term }
        term += 1
        holds = true
      }
    }
    return nil
  }

  @Test("random sums of products hold where a naive evaluator says so, and the term is told")
  func random() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed of the predicates: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let world = World(programs: 1)
    world.run(0)
    let words = try world.allocate()
    func small() -> UInt64 {
      let all: [UInt64] = [0, 1, 2, 3, 7, 1000, 1001, .max, .max - 1, 1 << 63]
      return all.randomElement(using: &generator)!
    }
    var held = 0
    for _ in 0..<3000 {
      let count = Int.random(in: 1...8, using: &generator)
      let comparisons = (0..<count).map { _ in
        let source: WordSource = [.frame, .frame, .books, .clock].randomElement(using: &generator)!
        let index = UInt64.random(in: 0..<8, using: &generator) * 8
        let place = source == .frame ? UInt64(words) << 12 + index : index
        return Comparison(
          source, place: place, mask: Bool.random(using: &generator) ? .max : small(), low: small(), high: small(),
          endsTerm: Int.random(in: 0..<3, using: &generator) == 0)
      }
      for index in 0..<UInt64(8) { world.machine.put(UInt64(words) << 12 + index * 8, small()) }
      world.machine.now = UInt64.random(in: 998..<1004, using: &generator)
      #expect(try bind(world, comparisons) == nil)
      let expected = evaluate(comparisons) { comparison in
        switch WordSource(rawValue: UInt32(truncatingIfNeeded: comparison.sourceAndEnd))! {
        case .frame: world.machine.get(comparison.place)
        case .books: world.machine.get(FakeMachine.Place.books + comparison.place)
        case .clock: world.machine.now
        }
      }
      #expect(world.kernel.predicateHolds(0) == (expected != nil), "seed \(seed): \(comparisons)")
      if let expected {
        held += 1
        #expect(world.page(0).matchedTerm == expected, "seed \(seed): \(comparisons)")
      }
      let frame = world.kernel.environments[0].firstFrame
      #expect(world.kernel.frameFree(slot: 0, frame: UInt64(frame)).error == nil, "the comparisons are copied")
    }
    #expect(held > 300 && held < 2700)
    Audit.check(world)
  }

  @Test("a sleeper runs again when its predicate holds, and goes on at once where it holds already")
  func sleeping() throws {
    let world = World()
    world.run(0)
    let word = try world.allocate()
    #expect(!world.sleepUntil(), "nothing is bound")
    #expect(try bind(world, [Comparison(.frame, place: UInt64(word) << 12 + 8, low: 5, high: 9)]) == nil)
    #expect(world.kernel.frames[word].pins == 1)
    #expect(world.kernel.frameFree(slot: 0, frame: UInt64(word)).error == .busy)
    #expect(world.sleepUntil())
    world.run(1)
    #expect(world.sleep(events: 0, deadline: 0))
    #expect(world.kernel.nextTurn() == nil)
    Audit.check(world)
    world.machine.put(UInt64(word) << 12 + 8, UInt64(7))
    #expect(world.runNext() == 0)
    #expect(world.page(0).matchedTerm == 1)
    #expect(!world.sleepUntil())
    #expect(world.kernel.predicateBind(slot: 0, frame: 0, offset: 0, count: 0).error == nil)
    #expect(world.kernel.frames[word].pins == 0)
    Audit.check(world)
  }

  @Test("the clock wakes an idle processor, whatever was slept for before, and one time after the other")
  func clock() throws {
    let world = World(programs: 1)
    world.run(0)
    let word = try world.allocate()
    let place = UInt64(word) << 12
    let terms = [
      Comparison(.clock, place: 0, low: 3000, high: .max, endsTerm: false),
      Comparison(.frame, place: place, low: 1, high: 1), Comparison(.clock, place: 0, low: 8000, high: .max),
    ]
    #expect(try bind(world, terms) == nil)
    #expect(!world.sleep(events: 9, deadline: 1))
    #expect(world.sleep(events: 0, deadline: 1000))
    #expect(world.runNext() == 0)
    #expect(world.sleepUntil())
    world.kernel.armForIdle()
    #expect(world.machine.timer == 3000)
    world.machine.now = 3000
    #expect(world.kernel.nextTurn() == nil)
    world.kernel.armForIdle()
    #expect(world.machine.timer == 8000, "a time that has passed is not waited for")
    world.machine.now = 8000
    #expect(world.runNext() == 0)
    #expect(world.page(0).matchedTerm == 2)
  }

  @Test("a time that comes between the last look and going idle is not missed")
  func race() throws {
    let world = World(programs: 1)
    world.run(0)
    #expect(try bind(world, [Comparison(.clock, place: 0, low: 1500, high: .max)]) == nil)
    #expect(world.sleepUntil())
    #expect(world.kernel.nextTurn() == nil)
    world.machine.now = 1600
    world.kernel.armForIdle()
    #expect(world.machine.timer == 1601)
  }

  @Test("words that the environment may not see, and numbers out of range, are refused, and the old predicate stays")
  func refused() throws {
    let world = World()
    world.run(1)
    let foreign = UInt64(try world.allocate())
    world.run(0)
    let kernel = world.kernel
    let frame = UInt64(try world.allocate())
    #expect(try bind(world, [Comparison(.frame, place: frame << 12, low: 1, high: 1)]) == nil)
    let end = UInt64(kernel.header.value.frameCount) << 12
    let places: [UInt64] = [foreign << 12, frame << 12 + 4, 0, end, 1 << 52, .max - 7]
    for place in places {
      #expect(try bind(world, [Comparison(.frame, place: place, low: 0, high: 1)]) == .notPermitted)
    }
    let offsets: [UInt64] = [BooksLayout.size, 4, .max - 7]
    for place in offsets {
      #expect(try bind(world, [Comparison(.books, place: place, low: 0, high: 1)]) == .notPermitted)
    }
    var unknown = Comparison(.clock, place: 0, low: 0, high: 1)
    unknown.sourceAndEnd |= 3
    #expect(try bind(world, [unknown]) == .notPermitted)
    func call(_ slot: UInt64, _ frame: UInt64, _ offset: UInt64, _ count: UInt64) -> CallError? {
      kernel.predicateBind(slot: slot, frame: frame, offset: offset, count: count).error
    }
    #expect(call(0, frame, 0, 9) == .badArgument)
    #expect(call(0, frame, 4, 1) == .badArgument)
    #expect(call(0, frame, 4096 - 32, 1) == .badArgument)
    #expect(call(0, frame, .max - 7, 1) == .badArgument)
    #expect(call(9, frame, 0, 1) == .noSuchCapability)
    #expect(call(0, foreign, 0, 1) == .notPermitted)
    #expect(call(0, .max, 0, 1) == .noSuchResource)
    #expect(kernel.frames[UInt32(frame)].pins == 1)
    Audit.check(world)
    kernel.end(0, status: 0)
    Audit.check(world)
  }
}
