/// A point in time of a monotonic clock that the owner of the stack keeps; the stack has no clock of its own.
public struct Instant: Comparable, Sendable {
  /// Nanoseconds since an arbitrary origin.
  public var nanoseconds: UInt64

  /// Makes an instant.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// An instant that never comes: a timer that is off.
  static let never = Instant(nanoseconds: .max)

  /// Whether the first instant is earlier than the second.
  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The instant a span later; the far future saturates.
  public static func + (instant: Instant, span: TimeSpan) -> Instant {
    let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.nanoseconds)
    return Instant(nanoseconds: overflow ? .max : sum)
  }

  /// The span since an earlier instant, zero if `earlier` is in fact later.
  func since(_ earlier: Instant) -> TimeSpan {
    TimeSpan(nanoseconds: nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0)
  }
}

/// A length of time.
public struct TimeSpan: Comparable, Sendable {
  /// The length in nanoseconds.
  public var nanoseconds: UInt64

  /// Makes a span of nanoseconds.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// A span of milliseconds.
  public static func milliseconds(_ count: UInt32) -> TimeSpan { TimeSpan(nanoseconds: UInt64(count) * 1_000_000) }
  /// A span of seconds.
  public static func seconds(_ count: UInt32) -> TimeSpan { TimeSpan(nanoseconds: UInt64(count) * 1_000_000_000) }

  /// Whether the first span is shorter than the second.
  public static func < (a: TimeSpan, b: TimeSpan) -> Bool { a.nanoseconds < b.nanoseconds }

  /// The span times two, `doublings` times, but not above `limit`.
  func backedOff(doublings: Int, limit: TimeSpan) -> TimeSpan {
    // More than 40 doublings of a nanosecond exceed every limit in use; the bound keeps the shift defined.
    let shift = UInt64(min(max(doublings, 0), 40))
    let scaled = nanoseconds > UInt64.max >> shift ? UInt64.max : nanoseconds << shift
    return TimeSpan(nanoseconds: min(scaled, limit.nanoseconds))
  }
}
