import ExokernelABI

/// Bits of a page-table entry (AMD64 Architecture Programmer's Manual, volume 2, section 5.3).
///
/// layout.inc has those that tables.S needs.
public enum PageEntry {
  /// The entry maps something, or leads to a table.
  /// Assembly files have it as PRESENT.
  public static let present: UInt64 = 1
  /// It may be written.
  /// Assembly files have it as WRITE.
  public static let write: UInt64 = 2
  /// Ring 3 may use it.
  /// Assembly files have it as USER.
  public static let user: UInt64 = 4
  static let accessed: UInt64 = 0x20
  static let dirty: UInt64 = 0x40
  /// It maps a large page.
  /// Assembly files have it as LARGE.
  public static let large: UInt64 = 0x80
  /// Nothing is executed there.
  /// Assembly files have it as NX.
  public static let noExecute: UInt64 = 1 << 63
  static let addressMask: UInt64 = 0x000f_ffff_ffff_f000

  /// Bits of an entry that maps a page: for reading, for reading and writing, both with execution.
  static let bits: InlineArray<4, UInt64> = [
    present | user | noExecute, present | user | write | noExecute, present | user, present | user | write,
  ]

  /// True for what `Hardware.load(entry:)` returns where there is no entry.
  @inline(__always) static func isMissing(_ entry: UInt64) -> Bool { entry == .max }
}

extension Kernel {
  /// The table of an environment that holds the last-level entry of `address`, as a physical address; nil where a level
  /// is missing.
  @inline(__always) func lastTable(root: UInt64, address: UInt64) -> UInt64? {
    var table = root
    var shift: UInt64 = 39
    while shift > 12 {
      let entry = tableEntry(table, address &>> shift)
      guard entry & PageEntry.present != 0 else { return nil }
      // Entries that lead to tables have no bits above the address.
      table = entry & ~0xfff
      shift &-= 9
    }
    return table
  }

  /// The last-level entry of `address`, an ordinary page, in the page table of `environment`; nil where a table is
  /// missing.
  @inline(__always) func entryPlace(_ environment: UInt32, _ address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    guard environment == current else { return unsafe entryElsewhere(environment, address) }
    // Safe: the hardware vouches for the place.
    guard let place = unsafe hardware.entry(of: address), unsafe !PageEntry.isMissing(hardware.load(entry: place))
    else {
      return nil
    }
    return unsafe place
  }

  /// The same in a page table that is not in force. Not inlined, for the usual case's sake.
  @inline(never) func entryElsewhere(_ environment: UInt32, _ address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    guard let table = lastTable(root: rootTable(of: environment), address: address) else { return nil }
    // Safe: tables lie in the direct map, and nine bits of index stay inside one.
    return unsafe hardware.memory(at: table | (address &>> 9 & 0xff8)).assumingMemoryBound(to: UInt64.self)
  }

  /// Physical address of an environment's root table.
  @inline(__always) func rootTable(of environment: UInt32) -> UInt64 {
    UInt64(environments[environment].rootTable) &<< 12
  }

  /// True where the page table of `environment` is in force here: its own, or one that it shares with the environment
  /// that runs.
  @inline(__always) func isInForce(_ environment: UInt32) -> Bool {
    environment == current || rootTable(of: environment) == processor.value.activeRoot
  }

  /// Forgets the translations of `count` pages from `address` on, on every processor where the page table of
  /// `environment` is in force.
  func forgetTranslations(_ environment: UInt32, _ address: UInt64, count: UInt64 = 1) {
    if isInForce(environment) { forgetHere(address, count: count) }
    if header.value.processorCount > 1 { forgetElsewhere(rootTable(of: environment)) }
  }

  /// The same on this processor: a few one by one, more of them with everything else.
  func forgetHere(_ address: UInt64, count: UInt64) {
    guard count <= 8 else { return hardware.activate(root: processor.value.activeRoot) }
    var page = address
    for _ in 0..<count {
      hardware.invalidate(page: page)
      page &+= AddressMap.pageSize
    }
  }

  /// The same on the other processors. Bounded by their number.
  @inline(never) func forgetElsewhere(_ root: UInt64) {
    for index in 0..<header.value.processorCount
    where index != processor.value.index && processor(index).value.activeRoot == root {
      hardware.flush(processor: index)
    }
  }

  /// Reads entry `index` (only its low nine bits count) of the table at physical address `table`.
  @inline(__always) func tableEntry(_ table: UInt64, _ index: UInt64) -> UInt64 {
    // Safe: tables lie in the direct map, and nine bits of index stay inside one.
    unsafe hardware.memory(at: table | (index &<< 3 & 0xff8)).load(as: UInt64.self)
  }

  /// Writes entry `index` (only its low nine bits count) of the table at physical address `table`.
  @inline(__always) func setTableEntry(_ table: UInt64, _ index: UInt64, _ entry: UInt64) {
    // Safe: as in `tableEntry`.
    unsafe hardware.memory(at: table | (index &<< 3 & 0xff8)).storeBytes(of: entry, as: UInt64.self)
  }

  /// True for a page-aligned address at which an environment may map an ordinary page.
  @inline(__always) func isMappable(_ address: UInt64) -> Bool {
    // Bits below the page number come to the top, so that one comparison refuses them, too.
    (address &>> 12 | address &<< 52) &>> 32 < AddressMap.largePages &>> 44
  }

  /// True for an address below which the kernel's own tables lie. They have no empty entry, so that mapping a page
  /// there is refused anyway.
  @inline(__always) func isReserved(_ address: UInt64) -> Bool { address &>> 30 == AddressMap.reserved &>> 30 }

  /// The entry that maps `frame` with `rights`.
  @inline(__always) func pageEntry(frame: UInt32, rights: Rights) -> UInt64 {
    UInt64(frame) &<< 12 | entryBits(rights)
  }

  /// The bits of an entry that gives `rights`.
  @inline(__always) func entryBits(_ rights: Rights) -> UInt64 {
    PageEntry.bits[Int(truncatingIfNeeded: rights.rawValue &>> 1 & 3)]
  }

  /// The entry that makes `frame` a table of the next level.
  @inline(__always) func tablePointer(_ frame: UInt32) -> UInt64 {
    UInt64(frame) &<< 12 | PageEntry.present | PageEntry.write | PageEntry.user
  }
}
