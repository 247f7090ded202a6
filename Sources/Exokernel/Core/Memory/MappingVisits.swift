import ExokernelABI

/// A mapping that a search through a page table has come to.
struct FoundMapping {
  /// The table that has its entry, by its physical address, and the entry's place there.
  var table: UInt64
  var index: UInt64
  var entry: UInt64
  /// Where it maps.
  var address: UInt64
}

// Going through page tables in small steps.
extension Kernel {
  /// Entries of page tables that one step looks at.
  static var entriesPerStep: UInt64 { 64 }

  /// Calls `visit` with what the next few entries map that lead to `address` and lie behind it, in one table; returns
  /// the next address that may be mapped. At most nine steps for each table: eight for its entries, and one that ends
  /// where its own entry is.
  @inline(__always) func visitMappings(_ root: UInt64, from address: UInt64, _ visit: (FoundMapping) -> Void) -> UInt64
  {
    // The kernel's, in all page tables alike.
    if isReserved(address) { return (address &>> 30 &+ 1) &<< 30 }
    var table = root
    var shift: UInt64 = 39
    while true {
      let first = address &>> shift & 511
      let end = first &+ Self.entriesPerStep < 512 ? first &+ Self.entriesPerStep : 512
      var index = first
      // Most entries are empty.
      while index < end {
        let entry = tableEntry(table, index)
        if entry & PageEntry.present != 0 {
          // At a table of the next level.
          guard shift == 12 || entry & PageEntry.large != 0 else { break }
          let place = (address &>> shift &+ index &- first) &<< shift
          visit(FoundMapping(table: table, index: index, entry: entry, address: place))
        }
        index &+= 1
      }
      // Into that table, unless entries before it were passed.
      guard index == first else { return (address &>> shift &+ index &- first) &<< shift }
      table = tableEntry(table, index) & PageEntry.addressMask
      shift &-= 9
    }
  }
}
