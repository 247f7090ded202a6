import ExokernelABI

// Taking back what ended environments owned. Frames that another environment still maps, or that a device still works
// on, stay with the ended record until they are let go: a frame has a new owner only when nobody can reach it any more.
extension Kernel {
  /// Entries of page tables that one step lets go of.
  private static var entriesPerStep: Int { 64 }

  /// Takes up to `limit` small steps in taking back the frames of ended environments; true while more can be done at
  /// once. Each step is a frame, or `entriesPerStep` entries of a page table.
  public func reap(limit: UInt32) -> Bool {
    guard kernelPrivate.value.reaping != 0 else { return false }
    for _ in 0..<limit {
      let position = kernelPrivate.value.reaper.environment
      let rest = kernelPrivate.value.reaping & (~0 &<< UInt64(position))
      guard position < environments.count, rest != 0 else { return startRound() }
      let environment = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      if environment != position {
        kernelPrivate.value.reaper.environment = environment
        kernelPrivate.value.reaper.frame = 0
        kernelPrivate.value.reaper.address = 0
      }
      let bit: UInt64 = 1 &<< UInt64(environment)
      if kernelPrivate.value.sharing & ~kernelPrivate.value.unmapped & bit != 0 {
        dropMappings(of: environment, bit)
      } else {
        reapFrame(of: environment, bit)
      }
    }
    return true
  }

  /// Every ended environment was looked at: true where another round may find more.
  private func startRound() -> Bool {
    let progress = kernelPrivate.value.reaper.progress
    kernelPrivate.value.reaper = ReaperPosition(address: 0, environment: 0, frame: 0, progress: 0)
    // Chains that the device has sent keep frames until somebody looks.
    if kernelPrivate.value.reaping != 0 { for index in 0..<header.value.interfaceCount { reclaimSent(index) } }
    return progress != 0 && kernelPrivate.value.reaping != 0
  }

  /// Lets go of the frames that the next few entries of an ended environment's page tables map: some may be another
  /// environment's.
  private func dropMappings(of environment: UInt32, _ bit: UInt64) {
    let address = kernelPrivate.value.reaper.address
    if address < AddressMap.userEnd {
      kernelPrivate.value.reaper.address = dropMappings(UInt64(environments[environment].rootTable) &<< 12, address)
    } else {
      kernelPrivate.value.unmapped |= bit
      startReapingSharers(of: environment)
    }
    kernelPrivate.value.reaper.progress = 1
  }

  /// Lets go of what the next few entries map that lead to `address` and lie behind it, in one table; returns the next
  /// address that may be mapped.
  private func dropMappings(_ root: UInt64, _ address: UInt64) -> UInt64 {
    // The kernel's, in all page tables alike.
    if isReserved(address) { return (address &>> 30 &+ 1) &<< 30 }
    var table = root
    var shift: UInt64 = 39
    while true {
      // Safe: tables lie in the direct map, and nine bits of index stay inside one.
      let entries = unsafe hardware.memory(at: table).assumingMemoryBound(to: UInt64.self)
      let first = Int(truncatingIfNeeded: address &>> shift & 511)
      let end = first &+ Self.entriesPerStep < 512 ? first &+ Self.entriesPerStep : 512
      var index = first
      // Most entries are empty.
      while index < end, unsafe entries[index] & PageEntry.present == 0 || drop(entries[index], shift) { index &+= 1 }
      // At a table of the next level: into it, unless entries before it were passed.
      guard index == first else {
        return (address &>> shift &+ UInt64(truncatingIfNeeded: index &- first)) &<< shift
      }
      table = unsafe entries[index] & PageEntry.addressMask
      shift &-= 9
    }
  }

  /// Lets go of what an entry maps; false where it leads to another table.
  @inline(never) private func drop(_ entry: UInt64, _ shift: UInt64) -> Bool {
    guard shift == 12 || entry & PageEntry.large != 0 else { return false }
    dropReference(entry)
    return true
  }

  /// Takes back one frame of an ended environment's list, or steps over it; with the last one, its record is free.
  private func reapFrame(of environment: UInt32, _ bit: UInt64) {
    var frame = kernelPrivate.value.reaper.frame
    // Somebody whose capability dominates the guard may have freed the frame between two steps: then the list starts
    // over.
    let isOwn =
      frame != 0 && frames[frame].kind != FrameKind.free.rawValue && UInt32(frames[frame].owner) == environment
    if !isOwn { frame = environments[environment].firstFrame }
    guard frame != 0 else {
      freeRecord(environment)
      kernelPrivate.value.reaping &= ~bit
      kernelPrivate.value.sharing &= ~bit
      kernelPrivate.value.sharesTable &= ~bit
      kernelPrivate.value.reaper.environment = environment &+ 1
      kernelPrivate.value.reaper.frame = 0
      kernelPrivate.value.reaper.address = 0
      return
    }
    let next = frames[frame].next
    let kind = frames[frame].kind
    let isMemory = kind == FrameKind.memory.rawValue || kind == FrameKind.large.rawValue
    let isMapped = kernelPrivate.value.sharing & bit != 0 && isMemory && frames[frame].references != 0
    // Tables that another environment still uses are mapped as long as that one lives.
    let isInUse = kernelPrivate.value.sharesTable & bit != 0 && kind == FrameKind.pageTable.rawValue
    if frames[frame].pins == 0, !isMapped, !isInUse {
      returnFrame(frame)
      kernelPrivate.value.reaper.progress = 1
    }
    kernelPrivate.value.reaper.frame = next
    // The list's end: on to the next environment, unless all of this one's frames are gone and its record can be freed.
    if next == 0, environments[environment].firstFrame != 0 {
      kernelPrivate.value.reaper.environment = environment &+ 1
      kernelPrivate.value.reaper.address = 0
    }
  }
}
