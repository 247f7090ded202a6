import ExokernelABI

/// The address space above the program, in pages: each range is mapped once, by whoever asks for it.
public enum PageSpace {
  /// First address of the heap.
  static var heapBase: UInt64 { 0x1000_0000 }
  /// End of the heap.
  static var heapEnd: UInt64 { 0x4000_0000 }
  /// First address handed out by `reserve`.
  private static var reserveBase: UInt64 { 0x4000_0000 }
  private static var reserveEnd: UInt64 { 0x7c00_0000 }
  nonisolated(unsafe) private static var reserved: UInt64 = 0
  /// Blocks of 64 KiB for the environments that share this page table: see `ChildEnvironment`.
  static var companionBase: UInt64 { 0x7c00_0000 }
  /// A page through which frames are filled that are for others.
  static var window: UInt64 { 0x7d00_0000 }
  /// What has been mapped above the program, apart from stacks and environment pages.
  static var dynamicRanges: InlineArray<2, Range<UInt64>> {
    // Safe: as in `mapAnywhere`.
    unsafe [heapBase..<Heap.end, reserveBase..<reserveBase &+ reserved]
  }

  /// Maps `count` fresh zeroed pages at `address`, with the page tables they take; false where frames are used up.
  public static func mapFresh(at address: UInt64, count: UInt64) -> Bool {
    var page = address
    var rest = count
    while rest > 0 {
      let toTableEnd = 512 &- (page &>> 12 & 511)
      var chunk = rest < 64 ? rest : 64
      if toTableEnd < chunk { chunk = toTableEnd }
      do throws(CallError) {
        let mapped = try KernelCall.allocateMapped(at: page, count: chunk)
        guard mapped > 0 else { return false }
        page &+= mapped &* 4096
        rest &-= mapped
      } catch {
        guard error == .noPageTable, installTables(for: page) else { return false }
      }
    }
    return true
  }

  /// Maps `count` fresh pages at addresses of nobody's; returns the first, or nil where frames or addresses are used
  /// up.
  public static func mapAnywhere(count: UInt64) -> UInt64? {
    // Safe: a program has one thread of the processor, and upcalls do not come here.
    let start = unsafe reserveBase &+ reserved
    guard count <= (reserveEnd &- start) &>> 12 else { return nil }
    unsafe reserved &+= count &* 4096
    return mapFresh(at: start, count: count) ? start : nil
  }

  /// Sets addresses for `count` pages aside that stay unmapped, with the page tables for them; returns the first, or
  /// nil where addresses or frames are used up.
  public static func reserve(count: UInt64) -> UInt64? {
    // Safe: as in `mapAnywhere`.
    let start = unsafe reserveBase &+ reserved
    guard count > 0, count <= (reserveEnd &- start) &>> 12 else { return nil }
    unsafe reserved &+= count &* 4096
    for table in start &>> 21...(start &+ count &* 4096 &- 1) &>> 21 where !installTables(for: table &<< 21) {
      return nil
    }
    return start
  }

  /// Maps `pages` fresh pages below which one page stays unmapped, for a stack; returns the lowest mapped address.
  static func mapStack(pages: UInt64) -> UInt64? {
    // Safe: as in `mapAnywhere`.
    let start = unsafe reserveBase &+ reserved
    guard pages &+ 1 <= (reserveEnd &- start) &>> 12 else { return nil }
    unsafe reserved &+= (pages &+ 1) &* 4096
    return mapFresh(at: start &+ 4096, count: pages) ? start &+ 4096 : nil
  }

  /// Gives frames to be the page tables that `address` lacks, from the root down.
  static func installTables(for address: UInt64, table: UInt64 = Handle.own, capability: UInt64 = CapabilitySlot.own)
    -> Bool
  {
    var level: UInt64 = 3
    while level >= 1 {
      do throws(CallError) {
        try KernelCall.installTable(for: address, level: level, table: table, capability: capability)
      } catch {
        guard error == .busy else { return false }
      }
      level &-= 1
    }
    return true
  }
}
