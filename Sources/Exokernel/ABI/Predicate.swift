/// A comparison of a wakeup predicate: it holds where `low <= word & mask <= high`, unsigned, or around the end of the
/// numbers where `low > high`; so one form says equal, different, below, above and between.
///
/// A predicate is a sum of products (Xok's form): a comparison with `endsTerm` 0 and the next one belong to one term, a
/// term holds where all of its comparisons do, the predicate where one of its terms does.
@frozen public struct Comparison {
  /// `WordSource` in the low 32 bits; 1 << 32: ends its term; from bit 40 on, the slot of the capability for a frame's
  /// word.
  public var sourceAndEnd: UInt64
  /// Frame << 12 | offset; or the offset in the books; a multiple of 8.
  public var place: UInt64
  /// Bits that are looked at.
  public var mask: UInt64
  /// The smallest value.
  public var low: UInt64
  /// The largest value.
  public var high: UInt64

  /// A comparison.
  public init(
    _ source: WordSource, place: UInt64, mask: UInt64 = .max, low: UInt64, high: UInt64, endsTerm: Bool = true,
    capability slot: UInt64 = CapabilitySlot.own
  ) {
    sourceAndEnd = UInt64(source.rawValue) | (endsTerm ? 1 &<< 32 : 0) | slot &<< 40
    self.place = place
    self.mask = mask
    self.low = low
    self.high = high
  }

  /// Most comparisons of a predicate.
  public static let maximum: UInt64 = 8
}

/// Where the word of a comparison is.
public enum WordSource: UInt32, Sendable {
  /// A frame that the environment may read. It stays pinned as long as the predicate is bound.
  case frame = 0
  /// The books.
  case books = 1
  /// The time-stamp counter; `low` is the time at which the sleeper wakes at the latest where its term is the clock
  /// alone.
  case clock = 2
}
