/// A moment on a clock that only goes forward: nanoseconds since some fixed moment, such as boot.
public struct MonotonicTime: Comparable, Sendable {
  /// Nanoseconds since the clock's zero.
  public var nanoseconds: UInt64

  /// The moment `nanoseconds` after the clock's zero.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// A moment that never comes.
  public static var never: MonotonicTime { MonotonicTime(nanoseconds: .max) }

  /// Whole seconds since the clock's zero.
  public var seconds: UInt64 { nanoseconds / 1_000_000_000 }

  /// The moment `milliseconds` later, or `never`.
  public func advanced(byMilliseconds milliseconds: UInt64) -> MonotonicTime {
    let (span, tooLong) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
    let (sum, tooLate) = nanoseconds.addingReportingOverflow(span)
    return tooLong || tooLate ? .never : MonotonicTime(nanoseconds: sum)
  }

  /// Orders moments as they come.
  public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.nanoseconds < right.nanoseconds }
}
