import ExokernelABI

// Calls on frames and page tables. Each decodes and checks everything, then changes state and cannot fail.
extension Kernel {
  /// `CallNumber.frameAllocate`.
  public func frameAllocate(slot: UInt64, frame: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard capability.rights.contains(.allocate) else { return refuse(.notPermitted) }
    let environment = current
    guard environments[environment].frames < environments[environment].frameQuota else { return refuse(.exhausted) }
    let wanted: UInt32?
    if frame == CallNumber.any {
      wanted = nil
    } else {
      guard frame < UInt64(header.value.frameCount) else { return refuse(.noSuchResource) }
      wanted = UInt32(truncatingIfNeeded: frame)
    }
    guard
      let taken = takeFrame(
        wanted, for: environment, kind: .memory, guardName: capability.name, guardLength: capability.length)
    else { return refuse(wanted == nil && header.value.freeFrames == 0 ? .exhausted : .busy) }
    return CallResult(UInt64(taken))
  }

  /// `CallNumber.frameFree`. Page tables are not memory any more and stay to the environment's end.
  public func frameFree(slot: UInt64, frame: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    if let refused = permits(capability, .allocate, frame: frame) { return refuse(refused) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].references == 0, frames[index].pins == 0 else { return refuse(.busy) }
    returnFrame(index)
    return .success
  }

  /// `CallNumber.frameMap`.
  @inline(__always) public func frameMap(slot: UInt64, frame: UInt64, address: UInt64, rights: UInt64) -> CallResult {
    guard slot < CapabilitySlot.count else { return refuse(.noSuchCapability) }
    let capability = capabilities.cell(at: current &* UInt32(CapabilitySlot.count) &+ UInt32(truncatingIfNeeded: slot))
    guard isMappable(address) else { return refuse(.badAddress) }
    let wanted = Rights(rawValue: UInt32(truncatingIfNeeded: rights) & 7) | .read
    guard frame < UInt64(header.value.frameCount) else { return refuse(.noSuchResource) }
    let index = UInt32(truncatingIfNeeded: frame)
    let record = frames.cell(at: index)
    guard record.value.kind == FrameKind.memory.rawValue else { return refuse(.noSuchResource) }
    // An empty slot has no rights, so the usual case need not ask for it.
    guard
      capability.value.allows(wanted, guardName: record.value.guardName, guardLength: UInt32(record.value.guardLength))
    else { return refuse(capability.value.rights.isEmpty ? .noSuchCapability : .notPermitted) }
    guard record.value.references < UInt16.max else { return refuse(.exhausted) }
    guard let table = lastTable(root: currentRoot, address: address) else { return refuse(.noPageTable) }
    guard tableEntry(table, address &>> 12) & PageEntry.present == 0 else { return refuse(.busy) }
    guard UInt32(record.value.owner) == current else {
      return mapForeign(index, wanted, address: address, table: table)
    }
    setTableEntry(table, address &>> 12, pageEntry(frame: index, rights: wanted))
    record.value.references &+= 1
    record.value.dirty = 1
    return .success
  }

  /// Maps a frame of another environment's and notes that the two share. The frames of an ended environment are going back: no new mapping.
  /// Not inlined: as the last thing that `frameMap` does, it costs the usual case nothing.
  @inline(never) private func mapForeign(_ frame: UInt32, _ rights: Rights, address: UInt64, table: UInt64)
    -> CallResult
  {
    let record = frames.cell(at: frame)
    let owner = UInt32(record.value.owner)
    guard environments[owner].state != EnvironmentState.ended.rawValue else { return refuse(.noSuchResource) }
    own.value.sharing |= 1 &<< UInt64(owner) | 1 &<< UInt64(current)
    setTableEntry(table, address &>> 12, pageEntry(frame: frame, rights: rights))
    record.value.references &+= 1
    record.value.dirty = 1
    return .success
  }

  /// `CallNumber.frameUnmap`.
  @inline(__always) public func frameUnmap(address: UInt64) -> CallResult {
    guard isMappable(address), address != AddressMap.environmentPage, !isReserved(address) else {
      return refuse(.badAddress)
    }
    guard let table = lastTable(root: currentRoot, address: address) else { return refuse(.noPageTable) }
    let entry = tableEntry(table, address &>> 12)
    guard entry & PageEntry.present != 0 else { return refuse(.noSuchResource) }
    setTableEntry(table, address &>> 12, 0)
    machine.invalidate(page: address)
    dropReference(entry)
    return .success
  }

  /// `CallNumber.tableInstall`.
  public func tableInstall(slot: UInt64, frame: UInt64, address: UInt64, level: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard address < AddressMap.userEnd, !isReserved(address) else { return refuse(.badAddress) }
    guard level >= 1, level <= 3 else { return refuse(.badArgument) }
    if let refused = permits(capability, .write | .allocate, frame: frame) { return refuse(refused) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].references == 0, frames[index].pins == 0, UInt32(frames[index].owner) == current else {
      return refuse(.busy)
    }
    var parent = currentRoot
    var shift: UInt64 = 39
    let last = 12 &+ 9 &* level
    while shift > last {
      let entry = tableEntry(parent, address &>> shift)
      guard entry & PageEntry.present != 0 else { return refuse(.noPageTable) }
      parent = entry & PageEntry.addressMask
      shift &-= 9
    }
    guard tableEntry(parent, address &>> last) & PageEntry.present == 0 else { return refuse(.busy) }
    if frames[index].dirty != 0 { machine.clear(frame: frame &<< 12) }
    frames[index].kind = FrameKind.pageTable.rawValue
    frames[index].references = 1
    frames[index].dirty = 1
    setTableEntry(parent, address &>> last, tablePointer(index))
    return .success
  }

  /// `CallNumber.framesAllocateMapped`.
  public func framesAllocateMapped(slot: UInt64, address: UInt64, count: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard capability.rights.contains(.read | .write | .allocate) else { return refuse(.notPermitted) }
    guard isMappable(address) else { return refuse(.badAddress) }
    let first = address &>> 12 & 511
    guard count >= 1, count <= 64, first &+ count <= 512 else { return refuse(.badArgument) }
    let environment = current
    let number = UInt32(truncatingIfNeeded: count)
    guard environments[environment].frames &+ number <= environments[environment].frameQuota,
      header.value.freeFrames >= number
    else { return refuse(.exhausted) }
    guard let table = lastTable(root: currentRoot, address: address) else { return refuse(.noPageTable) }
    var index = first
    while index < first &+ count {
      guard tableEntry(table, index) & PageEntry.present == 0 else { return refuse(.busy) }
      index &+= 1
    }
    index = first
    while index < first &+ count {
      guard
        let frame = takeFrame(
          nil, for: environment, kind: .memory, guardName: capability.name, guardLength: capability.length)
      else {
        guard index != first else { return refuse(.busy) }
        break
      }
      setTableEntry(table, index, pageEntry(frame: frame, rights: .read | .write))
      frames[frame].references = 1
      frames[frame].dirty = 1
      index &+= 1
    }
    return CallResult(index &- first)
  }

  /// Physical address of the running environment's root table, which is the one in force.
  @inline(__always) var currentRoot: UInt64 { own.value.activeRoot }

  /// The entry that makes `frame` a table of the next level.
  @inline(__always) func tablePointer(_ frame: UInt32) -> UInt64 {
    UInt64(frame) &<< 12 | PageEntry.present | PageEntry.write | PageEntry.user
  }

  /// One mapping less of the frame that `entry` names. Frames below the first one belong to the boot archive and are not counted.
  @inline(__always) func dropReference(_ entry: UInt64) {
    let frame = (entry & PageEntry.addressMask) &>> 12
    guard frame >= UInt64(header.value.firstFrame), frame < UInt64(header.value.frameCount) else { return }
    frames[UInt32(truncatingIfNeeded: frame)].references &-= 1
  }
}
