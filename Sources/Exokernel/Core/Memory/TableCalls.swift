import ExokernelABI

/// A page table that is to be installed.
struct NewTable {
  /// The table above it, by its physical address, and the entry there.
  var parent: UInt64
  var entry: UInt64
  /// The frame, and whether it is a fresh one, on no list.
  var frame: UInt32
  var isFresh: Bool
  /// Whose page table it becomes a part of.
  var owner: UInt32
  /// Whether it is the one for the first 512 GiB, in which the reserved addresses lie.
  var isFirst: Bool
}

/// Fresh frames that are to be mapped.
struct FreshRun {
  /// The entry of the first page. The others follow in the same table.
  var place: Cell<UInt64>
  var count: Int
  /// Whose page table it is, and who gets the frames.
  var owner: UInt32
  /// The first frame: the one that the call cannot do without.
  var first: FreshFrame
}

// Growing page tables.
extension Kernel {
  /// Checks `CallNumber.tableInstall`. `CallNumber.any` as the frame takes a fresh one, which is searched for last.
  func decodeTableInstall(slot: UInt64, frame: UInt64, address: UInt64, level: UInt64, table: UInt64)
    throws(CallError) -> NewTable
  {
    let capability = try presented(slot)
    guard address < AddressMap.userEnd, !isReserved(address) else { throw .badAddress }
    // Large pages end one level earlier.
    guard level >= 1, level <= 3, level >= 2 || address < AddressMap.largePages else { throw .badArgument }
    let target = try tableOwner(table)
    try requireGrowth(of: target)
    let isFresh = frame == CallNumber.any
    if isFresh {
      guard capability.rights.contains(.write | .allocate) else { throw .notPermitted }
    } else {
      _ = try require(capability, .write | .allocate, frame: frame)
    }
    var parent = rootTable(of: target)
    var shift: UInt64 = 39
    let last = 12 &+ 9 &* level
    while shift > last {
      let entry = tableEntry(parent, address &>> shift)
      guard entry & PageEntry.present != 0 else { throw .noPageTable }
      parent = entry & PageEntry.addressMask
      shift &-= 9
    }
    guard tableEntry(parent, address &>> last) & PageEntry.present == 0 else { throw .busy }
    return NewTable(
      parent: parent, entry: address &>> last, frame: try tableFrame(frame, for: target), isFresh: isFresh,
      owner: target, isFirst: address &>> 39 == 0 && level == 3)
  }

  /// The frame that can become a page table of `target`'s.
  private func tableFrame(_ frame: UInt64, for target: UInt32) throws(CallError) -> UInt32 {
    guard frame != CallNumber.any else {
      guard hasRoom(target, .frames) else { throw .exhausted }
      return try anyFrame()
    }
    let index = UInt32(truncatingIfNeeded: frame)
    let owner = UInt32(frames[index].owner)
    guard frames[index].references == 0, frames[index].pins == 0, owner == target || owner == current else {
      throw .busy
    }
    guard owner == target || hasRoom(target, .frames) else { throw .exhausted }
    return index
  }

  /// Makes the frame a cleared page table, and puts it into the one above.
  func performTableInstall(_ table: NewTable) {
    let identity = FrameIdentity(owner: UInt8(truncatingIfNeeded: table.owner), kind: .pageTable)
    let name = environments[table.owner].guardName
    if table.isFresh {
      give(table.frame, identity, guardName: name)
    } else {
      if UInt32(frames[table.frame].owner) != table.owner {
        handOver(table.frame, to: table.owner, guardName: name)
      }
      hardware.clear(frame: UInt64(table.frame) &<< 12)
      frames[table.frame].become(identity, guardName: name)
    }
    frames[table.frame].addReference()
    setTableEntry(table.parent, table.entry, tablePointer(table.frame))
    if table.isFirst { reserve(in: UInt64(table.frame) &<< 12) }
  }

  /// Puts the template's entry for the reserved addresses into an environment's table of the first 512 GiB.
  func reserve(in table: UInt64) {
    let template = tableEntry(hardware.templateRoot, 0) & PageEntry.addressMask
    setTableEntry(table, AddressMap.reserved &>> 30, tableEntry(template, AddressMap.reserved &>> 30))
  }

  /// Checks `CallNumber.framesAllocateMapped`. The search for the first frame is the last check.
  func decodeFramesAllocateMapped(slot: UInt64, address: UInt64, count: UInt64, table: UInt64)
    throws(CallError) -> FreshRun
  {
    let capability = try presented(slot)
    guard capability.rights.contains(.read | .write | .allocate) else { throw .notPermitted }
    guard isMappable(address), !isReserved(address) else { throw .badAddress }
    let first = address &>> 12 & 511
    guard count >= 1, count <= Self.runLimit, first &+ count <= 512 else { throw .badArgument }
    let target = try tableOwner(table)
    try requireGrowth(of: target)
    let number = UInt32(truncatingIfNeeded: count)
    guard hasRoom(target, .frames, number), header.value.freeFrames >= number else { throw .exhausted }
    guard let place = unsafe entryPlace(target, address) else { throw .noPageTable }
    // Safe: the run stays inside the page table.
    for index in 0..<Int(truncatingIfNeeded: count) where unsafe place[index] & PageEntry.present != 0 {
      throw .busy
    }
    guard let frame = findFrame(nil) else { throw .again }
    // Safe: the hardware, or the walk, vouches for the entry.
    return unsafe FreshRun(
      place: Cell(UnsafeMutableRawPointer(place)), count: Int(truncatingIfNeeded: count), owner: target,
      first: FreshFrame(frame: frame, guardName: capability.guardName))
  }

  /// Gives and maps the first frame, and as many more as are found; returns how many.
  func performFramesAllocateMapped(_ run: FreshRun) -> UInt64 {
    var next: UInt32? = run.first.frame
    var index = 0
    while let frame = next {
      give(frame, .memory(of: run.owner), guardName: run.first.guardName)
      // Safe: the run stays inside the page table.
      unsafe run.place.pointer[index] = pageEntry(frame: frame, rights: .read | .write)
      frames[frame].addReference()
      index &+= 1
      next = index < run.count ? findFrame(nil) : nil
    }
    return UInt64(index)
  }
}
