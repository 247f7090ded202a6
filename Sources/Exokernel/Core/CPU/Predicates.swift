import ExokernelABI

/// A comparison as it is evaluated: checked, its word found.
@frozen public struct BoundComparison: BitwiseCopyable {
  /// Physical address of the word; 1 for the clock.
  public var word: UInt64
  /// Bits that are looked at.
  public var mask: UInt64
  /// The smallest value.
  public var low: UInt64
  /// The largest value less the smallest: so one comparison does for both.
  public var span: UInt64
  /// Where to go on: number of the comparison that begins the next term in the low half; the term's number, counted
  /// from 1, in the high half where this one ends it.
  public var next: UInt64
}

/// An environment's predicate.
@frozen public struct PredicateBinding: BitwiseCopyable {
  /// The comparisons.
  public var comparisons: InlineArray<8, BoundComparison>
  /// How many there are.
  public var count: UInt32
  /// Zero.
  public var reserved: UInt32

  /// True for a comparison that looks at the clock.
  @inline(__always) func isClock(_ index: Int) -> Bool { comparisons[index].word == Self.clockWord }
  /// Stands for the clock where a word's physical address is asked for.
  static var clockWord: UInt64 { 1 }
}

/// Wakeup predicates: small programs without a loop, bound once, evaluated when the environment asks to sleep, at each
/// of its turns, and before its processor idles.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  @inline(__always) var predicates: Table<PredicateBinding> {
    unsafe Table(hardware.privateBase + PrivateLayout.predicates, count: UInt32(BooksLayout.environments))
  }

  /// Checks `CallNumber.predicateBind`: the predicate that is bound, of no comparison to unbind.
  func decodePredicateBind(slot: UInt64, frame: UInt64, offset: UInt64, count: UInt64) throws(CallError)
    -> PredicateBinding
  {
    guard count <= Comparison.maximum, offset & 7 == 0,
      offset <= 4096 &- count &* UInt64(MemoryLayout<Comparison>.stride)
    else { throw .badArgument }
    var binding = PredicateBinding(
      comparisons: .init(repeating: BoundComparison(word: 0, mask: 0, low: 0, span: 0, next: 0)), count: 0, reserved: 0)
    guard count != 0 else { return binding }
    _ = try require(slot, .read, frame: frame)
    // The comparisons are copied before they are looked at, so nothing can change in between.
    let start = frame &<< 12 &+ offset
    var term: UInt64 = 1
    for index in 0..<Int(truncatingIfNeeded: count) {
      let place = start &+ UInt64(index) &* UInt64(MemoryLayout<Comparison>.stride)
      let sourceAndEnd: UInt64 = get(place)
      let low: UInt64 = get(place &+ 24)
      let high: UInt64 = get(place &+ 32)
      guard let word = word(source: sourceAndEnd & 0xffff_ffff, place: get(place &+ 8), slot: sourceAndEnd &>> 40)
      else { throw .notPermitted }
      let ends = sourceAndEnd &>> 32 & 1 != 0 || index &+ 1 == Int(truncatingIfNeeded: count)
      binding.comparisons[index] = BoundComparison(
        word: word, mask: get(place &+ 16), low: low, span: high &- low, next: ends ? term &<< 32 : 0)
      if ends { term &+= 1 }
    }
    binding.count = UInt32(truncatingIfNeeded: count)
    var next = UInt64(count)
    for index in stride(from: Int(truncatingIfNeeded: count) - 1, through: 0, by: -1) {
      if binding.comparisons[index].next &>> 32 != 0 { next = UInt64(truncatingIfNeeded: index) &+ 1 }
      binding.comparisons[index].next |= next
    }
    return binding
  }

  /// Binds the predicate in the place of the one before.
  func performPredicateBind(_ binding: PredicateBinding) {
    unbindPredicate(of: current)
    guard binding.count != 0 else { return }
    predicates[current] = binding
    forEachFrame(ofPredicateOf: current) { frames[$0].pin() }
  }

  /// Physical address of a comparison's word; nil where the environment may not see it.
  private func word(source: UInt64, place: UInt64, slot: UInt64) -> UInt64? {
    switch source {
    case UInt64(WordSource.frame.rawValue):
      guard place & 7 == 0, let capability = capability(slot), permits(capability, .read, frame: place &>> 12) == nil,
        frames[UInt32(truncatingIfNeeded: place &>> 12)].pins < UInt16.max &- 16
      else { return nil }
      return place
    case UInt64(WordSource.books.rawValue):
      guard place & 7 == 0, place < BooksLayout.size else { return nil }
      return hardware.booksAddress &+ place
    case UInt64(WordSource.clock.rawValue): return PredicateBinding.clockWord
    default: return nil
    }
  }

  /// Lets go of an environment's predicate.
  func unbindPredicate(of environment: UInt32) {
    guard predicates[environment].count != 0 else { return }
    forEachFrame(ofPredicateOf: environment) { frames[$0].unpin() }
    predicates[environment].count = 0
  }

  /// Calls `body` with the frame of each comparison of an environment's predicate that looks at a frame; a frame that
  /// several look at comes several times.
  @inline(__always) private func forEachFrame(ofPredicateOf environment: UInt32, _ body: (UInt32) -> Void) {
    for index in 0..<Int(truncatingIfNeeded: predicates[environment].count) {
      let word = predicates[environment].comparisons[index].word
      let frame = word &>> 12
      guard word != PredicateBinding.clockWord, frame >= UInt64(header.value.firstFrame) else { continue }
      body(UInt32(truncatingIfNeeded: frame))
    }
  }

  /// The first time after `now` at which the clock makes a comparison of an environment's predicate hold; 0 where there
  /// is none.
  func nextDeadline(of environment: UInt32, after now: UInt64) -> UInt64 {
    let binding = predicates.cell(at: environment)
    var earliest: UInt64 = 0
    for index in 0..<Int(truncatingIfNeeded: binding.value.count) where binding.value.isClock(index) {
      let low = binding.value.comparisons[index].low
      if low > now, earliest == 0 || low < earliest { earliest = low }
    }
    return earliest
  }

  /// Evaluates an environment's predicate; tells it the term that holds.
  @inline(__always) func predicateHolds(_ environment: UInt32) -> Bool {
    let binding = predicates.cell(at: environment)
    let count = UInt64(binding.value.count)
    var index: UInt64 = 0
    while index < count {
      let comparison = binding.value.comparisons[Int(truncatingIfNeeded: index)]
      let word: UInt64 = comparison.word == PredicateBinding.clockWord ? hardware.timeStamp : get(comparison.word)
      if (word & comparison.mask) &- comparison.low > comparison.span {
        index = comparison.next & 0xffff_ffff
        continue
      }
      index &+= 1
      if comparison.next &>> 32 != 0 {
        page(of: environment).value.matchedTerm = comparison.next &>> 32
        return true
      }
    }
    return false
  }
}
