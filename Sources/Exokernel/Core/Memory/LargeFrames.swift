import ExokernelABI

/// A large page in the caller's page table, which is to be mapped or is.
struct LargeMapping {
  /// The directory that has its entry, by its physical address.
  var directory: UInt64
  var address: UInt64
  var entry: UInt64
}

// Large frames: 512 frames in a row on a boundary of 2 MiB, whose first record stands for all of them. They are taken
// from the end of memory. One that comes back is cleared in small steps before anybody gets it: two megabytes are too
// much for one call.
extension Kernel {
  /// Checks `CallNumber.largeAllocate`. The search for a cleared one is the last check.
  func decodeLargeAllocate(slot: UInt64) throws(CallError) -> FreshFrame {
    let capability = try presented(slot)
    guard capability.rights.contains(.allocate) else { throw .notPermitted }
    try requireGrowth(of: current)
    guard hasRoom(current, .frames, FrameRecord.largeWeight) else { throw .exhausted }
    guard let frame = takeLarge() else { throw kernelPrivate.value.largeDirty != 0 ? .again : .exhausted }
    return FreshFrame(frame: frame, guardName: capability.guardName)
  }

  /// Makes the large frame the caller's; returns the number of its first one.
  func performLargeAllocate(_ fresh: FreshFrame) -> UInt64 {
    let identity = FrameIdentity(owner: UInt8(truncatingIfNeeded: current), kind: .large)
    giveLarge(fresh.frame, identity, guardName: fresh.guardName)
    return UInt64(fresh.frame)
  }

  /// A cleared large frame that is on no list, or nil.
  private func takeLarge() -> UInt32? {
    let head = header.value.largeHead
    if head != 0 {
      header.value.largeHead = frames[head].next
      return head
    }
    let frontier = header.value.largeFrontier & ~(FrameRecord.largeWeight &- 1)
    guard frontier >= FrameRecord.largeWeight, frontier &- FrameRecord.largeWeight >= header.value.frontier,
      isUntouched(frontier &- FrameRecord.largeWeight)
    else { return nil }
    // What lies between the boundary and an odd end of memory is for single frames.
    linkUntouched(frontier..<header.value.largeFrontier)
    header.value.largeFrontier = frontier &- FrameRecord.largeWeight
    return frontier &- FrameRecord.largeWeight
  }

  /// Puts those frames of the range that nobody has ever had on the free list. Bounded by the range, which is of at
  /// most `largeWeight` frames.
  private func linkUntouched(_ range: Range<UInt32>) {
    for frame in range where frames[frame].kind | frames[frame].dirty == 0 { linkFree(frame) }
  }

  /// Makes single frames of a clean large one that is free: where no others are left. Bounded by its size.
  func breakLarge() -> Bool {
    let frame = header.value.largeHead
    guard frame != 0 else { return false }
    header.value.largeHead = frames[frame].next
    frames[frame].becomeUntouched()
    linkUntouched(frame..<frame &+ FrameRecord.largeWeight)
    return true
  }

  /// True where no named allocation took a frame of this run. Bounded by the run.
  private func isUntouched(_ first: UInt32) -> Bool {
    for index in 0..<FrameRecord.largeWeight {
      let record = frames.cell(at: first &+ index)
      guard record.value.kind | record.value.dirty == 0 else { return false }
    }
    return true
  }

  /// Checks `CallNumber.largeFree`.
  func decodeLargeFree(slot: UInt64, frame: UInt64) throws(CallError) -> UInt32 {
    let index = try require(slot, .allocate, frame: frame, kind: .large)
    guard frames[index].references == 0, frames[index].pins == 0 else { throw .busy }
    return index
  }

  /// Gives the large frame back.
  func performLargeFree(_ frame: UInt32) { returnLarge(frame) }

  /// Gives a large frame back, to be cleared.
  func returnLarge(_ frame: UInt32) {
    unlinkOwned(frame, weight: FrameRecord.largeWeight)
    linkDirty(frame)
    kernelPrivate.value.needsChores = 1
    // Another one may be half cleared: it goes on where it was, behind this one.
    kernelPrivate.value.largeCleaned = 0
  }

  /// Clears one frame of the large ones that came back; true while there are more.
  func cleanLarge() -> Bool {
    let frame = kernelPrivate.value.largeDirty
    guard frame != 0 else { return false }
    hardware.clear(frame: UInt64(frame &+ kernelPrivate.value.largeCleaned) &<< 12)
    kernelPrivate.value.largeCleaned &+= 1
    if kernelPrivate.value.largeCleaned == FrameRecord.largeWeight {
      kernelPrivate.value.largeCleaned = 0
      kernelPrivate.value.largeDirty = frames[frame].next
      frames[frame].link(before: header.value.largeHead)
      header.value.largeHead = frame
    }
    return kernelPrivate.value.largeDirty != 0
  }

  /// Checks `CallNumber.largeMap`, into the caller's own page table.
  func decodeLargeMap(slot: UInt64, frame: UInt64, address: UInt64, rights: UInt64) throws(CallError) -> LargeMapping {
    let capability = try presented(slot)
    guard isLargeAddress(address) else { throw .badAddress }
    let wanted = Rights(rawValue: UInt32(truncatingIfNeeded: rights) & 7) | .read
    let index = try require(capability, wanted, frame: frame, kind: .large)
    guard wanted.rawValue & ~UInt32(frames[index].identity.allowed) == 0 else { throw .notPermitted }
    guard isLive(UInt32(frames[index].owner)) else { throw .noSuchResource }
    guard let directory = directory(of: address) else { throw .noPageTable }
    guard tableEntry(directory, address &>> 21) & PageEntry.present == 0 else { throw .busy }
    return LargeMapping(
      directory: directory, address: address, entry: pageEntry(frame: index, rights: wanted) | PageEntry.large)
  }

  /// Maps the large frame.
  func performLargeMap(_ mapping: LargeMapping) {
    let frame = UInt32(truncatingIfNeeded: (mapping.entry & PageEntry.addressMask) &>> 12)
    let owner = UInt32(frames[frame].owner)
    if owner != current { kernelPrivate.value.sharing |= 1 &<< UInt64(owner) | 1 &<< UInt64(current) }
    setTableEntry(mapping.directory, mapping.address &>> 21, mapping.entry)
    frames[frame].addReference()
  }

  /// Checks `CallNumber.largeUnmap`.
  func decodeLargeUnmap(address: UInt64) throws(CallError) -> LargeMapping {
    guard isLargeAddress(address) else { throw .badAddress }
    guard let directory = directory(of: address) else { throw .noPageTable }
    let entry = tableEntry(directory, address &>> 21)
    guard entry & PageEntry.present != 0 else { throw .noSuchResource }
    return LargeMapping(directory: directory, address: address, entry: entry)
  }

  /// Removes the mapping.
  func performLargeUnmap(_ mapping: LargeMapping) {
    setTableEntry(mapping.directory, mapping.address &>> 21, 0)
    dropReference(mapping.entry)
    forgetTranslations(current, mapping.address)
  }

  private func isLargeAddress(_ address: UInt64) -> Bool {
    address >= AddressMap.largePages && address < AddressMap.userEnd && address & (AddressMap.largePageSize &- 1) == 0
  }

  /// The running environment's directory for `address`; nil where a level is missing.
  private func directory(of address: UInt64) -> UInt64? {
    let pointers = tableEntry(processor.value.activeRoot, address &>> 39)
    guard pointers & PageEntry.present != 0 else { return nil }
    let directory = tableEntry(pointers & PageEntry.addressMask, address &>> 30)
    return directory & PageEntry.present != 0 ? directory & PageEntry.addressMask : nil
  }
}
