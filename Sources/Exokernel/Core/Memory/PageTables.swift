import ExokernelABI

/// Bits of a page-table entry (AMD64 Architecture Programmer's Manual, volume 2, section 5.3).
enum PageEntry {
  static let present: UInt64 = 1
  static let write: UInt64 = 2
  static let user: UInt64 = 4
  static let noExecute: UInt64 = 1 << 63
  static let addressMask: UInt64 = 0x000f_ffff_ffff_f000
}

extension Kernel {
  /// The table of an environment that holds the last-level entry of `address`, as a physical address; nil where a level is missing.
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

  /// Reads entry `index` (only its low nine bits count) of the table at physical address `table`.
  @inline(__always) func tableEntry(_ table: UInt64, _ index: UInt64) -> UInt64 {
    // Safe: tables lie in the direct map, and nine bits of index stay inside one.
    unsafe machine.memory(at: table | (index &<< 3 & 0xff8)).load(as: UInt64.self)
  }

  /// Writes entry `index` (only its low nine bits count) of the table at physical address `table`.
  @inline(__always) func setTableEntry(_ table: UInt64, _ index: UInt64, _ entry: UInt64) {
    // Safe: as in `tableEntry`.
    unsafe machine.memory(at: table | (index &<< 3 & 0xff8)).storeBytes(of: entry, as: UInt64.self)
  }

  /// True for a page-aligned address that an environment may map.
  @inline(__always) func isMappable(_ address: UInt64) -> Bool {
    // Bits below the page number come to the top, so that one comparison refuses them, too.
    (address &>> 12 | address &<< 52) &>> 32 < AddressMap.userEnd &>> 44
  }

  /// True for an address below which the kernel's own tables lie. They have no empty entry, so that mapping a page there is refused anyway.
  @inline(__always) func isReserved(_ address: UInt64) -> Bool { address &>> 30 == AddressMap.reserved &>> 30 }

  /// The entry that maps `frame` with `rights`.
  @inline(__always) func pageEntry(frame: UInt32, rights: Rights) -> UInt64 {
    var entry = UInt64(frame) &<< 12 | PageEntry.present | PageEntry.user
    if rights.contains(.write) { entry |= PageEntry.write }
    if !rights.contains(.execute) { entry |= PageEntry.noExecute }
    return entry
  }
}
