import CLibOS
import ExokernelABI

/// Time from the time-stamp counter, scaled by what the books tell. No call.
public enum Clock {
  /// Nanoseconds since some moment before the boot.
  public static var nanoseconds: UInt64 {
    nanoseconds(of: libos_time_stamp())
  }

  /// The time-stamp counter.
  public static var timeStamp: UInt64 { libos_time_stamp() }

  /// The nanoseconds in a difference of time-stamps.
  public static func nanoseconds(of difference: UInt64) -> UInt64 {
    let header = Books.header
    return scale(difference, header.timeMultiplier, UInt64(header.timeShift))
  }

  /// The time-stamp at which `delta` nanoseconds from now have passed.
  public static func timeStamp(after delta: UInt64) -> UInt64 {
    let header = Books.header
    guard header.timeMultiplier != 0 else { return libos_time_stamp() &+ delta }
    let bounded = delta > 3_600_000_000_000 ? 3_600_000_000_000 : delta
    let (high, low) = bounded.multipliedFullWidth(by: 1 &<< UInt64(header.timeShift & 63))
    guard high < header.timeMultiplier else { return libos_time_stamp() &+ bounded }
    return libos_time_stamp() &+ (high == 0 ? low / header.timeMultiplier : divide(high, low, header.timeMultiplier))
  }

  /// value * multiplier >> shift, over 128 bits.
  static func scale(_ value: UInt64, _ multiplier: UInt64, _ shift: UInt64) -> UInt64 {
    let (high, low) = value.multipliedFullWidth(by: multiplier)
    return shift == 0 ? low : shift >= 64 ? high &>> (shift & 63) : high &<< (64 &- shift) | low &>> shift
  }

  /// A 128-bit number by a 64-bit one, bit by bit, where the quotient fits 64 bits: `high < divisor`.
  static func divide(_ high: UInt64, _ low: UInt64, _ divisor: UInt64) -> UInt64 {
    var remainder = high
    var rest = low
    var quotient: UInt64 = 0
    for _ in 0..<64 {
      let carry = remainder &>> 63
      remainder = remainder &<< 1 | rest &>> 63
      rest &<<= 1
      quotient &<<= 1
      if carry != 0 || remainder >= divisor {
        remainder &-= divisor
        quotient |= 1
      }
    }
    return quotient
  }
}

/// Random numbers: RDRAND where the processor has it, mixed with the time-stamp counter.
public enum Entropy {
  nonisolated(unsafe) private static var state: UInt64 = 0

  /// The next number (SplitMix64 over what the hardware gives).
  public static func next() -> UInt64 {
    var hardware: UInt64 = 0
    // Safe: one thread of the processor; the variable outlives the call.
    _ = unsafe libos_random(&hardware)
    unsafe state = state &+ 0x9e37_79b9_7f4a_7c15 ^ hardware ^ libos_time_stamp()
    var mixed = unsafe state
    mixed = (mixed ^ mixed &>> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed &>> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed &>> 31
  }
}
