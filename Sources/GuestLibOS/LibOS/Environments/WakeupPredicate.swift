import CLibOS
import ExokernelABI

/// What this program, or a companion, sleeps for: words of its pages, of the books, and the clock, compared with
/// numbers. The kernel keeps one predicate for each environment: what was bound last.
///
/// Terms are counted from 1 in the order in which they were added; a term holds where all of its comparisons do.
public struct WakeupPredicate {
  private let page: UInt64
  private var count: UInt64 = 0
  private var terms: UInt64 = 0

  /// An empty predicate, whose comparisons are written into the page at `address`: one of this program's, which is
  /// needed until the predicate is bound.
  public init(page address: UInt64) { page = address }

  /// Adds a comparison to the last term, where `isMore` says so, or as a new term; returns the term's number, or nil
  /// where there is no room.
  public mutating func add(_ comparison: Comparison, isMore: Bool = false) -> UInt64? {
    guard count < Comparison.maximum else { return nil }
    let place = UInt(page &+ count &* UInt64(MemoryLayout<Comparison>.stride))
    if isMore, count > 0 {
      let last = place &- UInt(MemoryLayout<Comparison>.stride)
      libos_store64(last, libos_load64(last) & ~(1 &<< 32))
    } else {
      terms &+= 1
    }
    // Safe: the caller vouches for the page, and eight comparisons have room in it.
    unsafe UnsafeMutablePointer<Comparison>(bitPattern: place).unsafelyUnwrapped.pointee = comparison
    count &+= 1
    return terms
  }

  /// A comparison of the word at `address`, a mapped one, a multiple of 8; nil where nothing is mapped there.
  public static func word(
    at address: UInt64, mask: UInt64 = .max, in range: ClosedRange<UInt64>, capability: UInt64 = CapabilitySlot.own
  ) -> Comparison? {
    word(at: address, mask: mask, low: range.lowerBound, high: range.upperBound, capability)
  }

  /// A comparison that holds while the word at `address` is not `value`.
  public static func word(at address: UInt64, isNot value: UInt64, capability: UInt64 = CapabilitySlot.own)
    -> Comparison?
  {
    // From behind the value round to before it.
    word(at: address, mask: .max, low: value &+ 1, high: value &- 1, capability)
  }

  private static func word(at address: UInt64, mask: UInt64, low: UInt64, high: UInt64, _ slot: UInt64) -> Comparison? {
    guard let frame = Books.frameNumber(of: address) else { return nil }
    return Comparison(
      .frame, place: frame &<< 12 | address & 0xfff, mask: mask, low: low, high: high, capability: slot)
  }

  /// A comparison of the word of the books at `offset`, a multiple of 8.
  public static func books(at offset: UInt64, mask: UInt64 = .max, in range: ClosedRange<UInt64>) -> Comparison {
    Comparison(.books, place: offset, mask: mask, low: range.lowerBound, high: range.upperBound)
  }

  /// A comparison that holds from a time-stamp on.
  public static func clock(from timeStamp: UInt64) -> Comparison {
    Comparison(.clock, place: 0, low: timeStamp, high: .max)
  }

  /// Makes it this environment's predicate.
  public func bind() throws(CallError) {
    guard let frame = Books.frameNumber(of: page) else { throw .badAddress }
    try KernelCall.bindPredicate(frame: frame, offset: page & 0xfff, count: count)
  }

  /// Sleeps until the predicate holds that was bound last; returns the term that did, as the environment page at `page`
  /// tells it.
  public static func sleep(page: UInt64 = AddressMap.environmentPage) -> UInt64 {
    KernelCall.sleepUntilPredicate()
    return EnvironmentWord.matchedTerm.load(from: page)
  }
}
