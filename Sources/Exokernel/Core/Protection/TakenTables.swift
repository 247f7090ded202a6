import ExokernelABI

// Page tables are taken where an environment has no memory left: those of the last level first, with all that they map.
extension Kernel {
  /// One step of a search for page tables of `level` in the page table of an environment, from `end` down. A table that
  /// is found is emptied and taken at once. Bounded by its entries.
  func takeTable(_ environment: UInt32, _ request: Cell<RevocationRequest>, level: UInt64, end: UInt64) -> Bool {
    // The root table stays: nothing more may be taken.
    guard level <= 3 else { return startCollecting(environment, request) }
    guard end != 0 else {
      searchNext(environment, request, after: .tables(level: level, end: 0))
      return true
    }
    let shift = 3 &+ 9 &* level
    let found = descend(environment, below: end, to: shift)
    guard found.shift == shift else {
      request.value.stage = .choosing(.tables(level: level, end: found.end))
      return true
    }
    let size: UInt64 = 1 &<< (shift &+ 9)
    let start = (end &- 1) & ~(size &- 1)
    request.value.stage = .choosing(.tables(level: level, end: start))
    let frame = UInt32(truncatingIfNeeded: found.table &>> 12)
    let root = rootTable(of: environment)
    guard UInt32(frames[frame].owner) == environment, !isKept(start..<start &+ size, holders(of: root)),
      empty(found.table, at: start, shift, root)
    else { return true }
    setTableEntry(found.parent, start &>> (shift &+ 9), 0)
    forgetTable(root)
    frames[frame].removeReference()
    returnFrame(frame)
    countTaken(environment)
    tell(environment, of: UInt64(frame), Repossession.pageTable)
    return true
  }

  /// True where addresses are those of the books, or of the page of somebody who has the page table: without these
  /// nobody could be told of anything.
  private func isKept(_ addresses: Range<UInt64>, _ holders: UInt64) -> Bool {
    if addresses.contains(AddressMap.reserved) { return true }
    var rest = holders
    while rest != 0 {
      if addresses.contains(environments[UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)].pageAddress) {
        return true
      }
      rest &= rest &- 1
    }
    return false
  }

  /// Removes all mappings of a table whose first entry is for `start`; false where there are tables below it, which
  /// keep it.
  private func empty(_ table: UInt64, at start: UInt64, _ shift: UInt64, _ root: UInt64) -> Bool {
    for index in 0..<512 as Range<UInt64> {
      if shift != 12, leadsToTable(tableEntry(table, index)) { return false }
    }
    let holders = holders(of: root)
    for index in 0..<512 as Range<UInt64> {
      let entry = tableEntry(table, index)
      guard entry & PageEntry.present != 0 else { continue }
      let frame = UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)
      let mapping = FoundMapping(table: table, index: index, entry: entry, address: start &+ index &<< shift)
      takeMapping(mapping, of: frame, from: holders)
    }
    return true
  }
}
