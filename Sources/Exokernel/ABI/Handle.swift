/// Names of records that are used again: number | generation << 8. A record whose generations are used up is not used
/// any more, so that a handle never names two things.
public enum Handle {
  /// The caller itself, where an environment or its page table is asked for.
  public static let own: UInt64 = UInt64(UInt32.max)
  /// Nobody.
  public static let none: UInt64 = 0
  /// The last generation of a record; the first is 1.
  public static let generations: UInt32 = 0xfe_fefe

  /// The handle of record `index` in its present generation.
  @inline(__always) public static func of(_ index: UInt32, generation: UInt32) -> UInt64 {
    UInt64(generation) &<< 8 | UInt64(index)
  }
  /// The generation that follows; none of its bytes is 0xff, because it becomes a part of names.
  @inline(__always) public static func next(after generation: UInt32) -> UInt32 {
    let low = generation &+ (generation & 0xff == 0xfe ? 2 : 1)
    return low &+ (low &>> 8 & 0xff == 0xff ? 0x100 : 0)
  }
  /// The number of the record that a handle names.
  @inline(__always) public static func index(_ handle: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: handle & 0xff) }
  /// The generation that a handle names, with everything above, so that no bit of a handle goes unlooked at.
  @inline(__always) public static func generation(_ handle: UInt64) -> UInt64 { handle &>> 8 }
}
