import ExokernelABI

// Calls on frames and page tables. Each decodes and checks everything, then changes state and cannot fail.
extension Kernel {
  /// `CallNumber.frameAllocate`.
  public func frameAllocate(slot: UInt64, frame: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return CallResult(.noSuchCapability) }
    guard capability.rights.contains(.allocate) else { return CallResult(.notPermitted) }
    let environment = current
    guard environments[environment].frames < environments[environment].frameQuota else { return CallResult(.exhausted) }
    let wanted: UInt32?
    if frame == CallNumber.any {
      wanted = nil
    } else {
      guard frame < UInt64(header.value.frameCount) else { return CallResult(.noSuchResource) }
      wanted = UInt32(truncatingIfNeeded: frame)
    }
    guard
      let taken = takeFrame(
        wanted, for: environment, kind: .memory, guardName: capability.name, guardLength: capability.length)
    else { return CallResult(wanted == nil && header.value.freeFrames == 0 ? .exhausted : .busy) }
    return CallResult(UInt64(taken))
  }

  /// `CallNumber.frameFree`. Page tables are not memory any more and stay to the environment's end.
  public func frameFree(slot: UInt64, frame: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return CallResult(.noSuchCapability) }
    if let refused = permits(capability, .allocate, frame: frame) { return CallResult(refused) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].references == 0, frames[index].pins == 0 else { return CallResult(.busy) }
    returnFrame(index)
    return .success
  }

  /// `CallNumber.frameMap`.
  public func frameMap(slot: UInt64, frame: UInt64, address: UInt64, rights: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return CallResult(.noSuchCapability) }
    guard isMappable(address) else { return CallResult(.badAddress) }
    let wanted = Rights(rawValue: UInt32(truncatingIfNeeded: rights) & 7) | .read
    if let refused = permits(capability, wanted, frame: frame) { return CallResult(refused) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].references < UInt16.max else { return CallResult(.exhausted) }
    guard let table = lastTable(root: currentRoot, address: address) else { return CallResult(.noPageTable) }
    guard tableEntry(table, address &>> 12) & PageEntry.present == 0 else { return CallResult(.busy) }
    if UInt32(frames[index].owner) != current, let refused = share(index) { return CallResult(refused) }
    setTableEntry(table, address &>> 12, pageEntry(frame: index, rights: wanted))
    frames[index].references &+= 1
    frames[index].dirty = 1
    return .success
  }

  /// Notes that the running environment maps a frame of another one's. The frames of an ended environment are going back: no new mapping.
  @inline(never) private func share(_ frame: UInt32) -> CallError? {
    let owner = UInt32(frames[frame].owner)
    guard environments[owner].state != EnvironmentState.ended.rawValue else { return .noSuchResource }
    own.value.sharing |= 1 &<< UInt64(owner) | 1 &<< UInt64(current)
    return nil
  }

  /// `CallNumber.frameUnmap`.
  public func frameUnmap(address: UInt64) -> CallResult {
    guard isMappable(address), address != AddressMap.environmentPage else { return CallResult(.badAddress) }
    guard let table = lastTable(root: currentRoot, address: address) else { return CallResult(.noPageTable) }
    let entry = tableEntry(table, address &>> 12)
    guard entry & PageEntry.present != 0 else { return CallResult(.noSuchResource) }
    setTableEntry(table, address &>> 12, 0)
    machine.invalidate(page: address)
    dropReference(entry)
    return .success
  }

  /// `CallNumber.tableInstall`.
  public func tableInstall(slot: UInt64, frame: UInt64, address: UInt64, level: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return CallResult(.noSuchCapability) }
    guard address < AddressMap.userEnd else { return CallResult(.badAddress) }
    guard level >= 1, level <= 3 else { return CallResult(.badArgument) }
    if let refused = permits(capability, .write | .allocate, frame: frame) { return CallResult(refused) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].references == 0, frames[index].pins == 0, UInt32(frames[index].owner) == current else {
      return CallResult(.busy)
    }
    var parent = currentRoot
    var shift: UInt64 = 39
    let last = 12 &+ 9 &* level
    while shift > last {
      let entry = tableEntry(parent, address &>> shift)
      guard entry & PageEntry.present != 0 else { return CallResult(.noPageTable) }
      parent = entry & PageEntry.addressMask
      shift &-= 9
    }
    guard tableEntry(parent, address &>> last) & PageEntry.present == 0 else { return CallResult(.busy) }
    if frames[index].dirty != 0 { machine.clear(frame: frame &<< 12) }
    frames[index].kind = FrameKind.pageTable.rawValue
    frames[index].references = 1
    frames[index].dirty = 1
    setTableEntry(parent, address &>> last, tablePointer(index))
    return .success
  }

  /// `CallNumber.framesAllocateMapped`.
  public func framesAllocateMapped(slot: UInt64, address: UInt64, count: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return CallResult(.noSuchCapability) }
    guard capability.rights.contains(.read | .write | .allocate) else { return CallResult(.notPermitted) }
    guard isMappable(address) else { return CallResult(.badAddress) }
    let first = address &>> 12 & 511
    guard count >= 1, count <= 64, first &+ count <= 512 else { return CallResult(.badArgument) }
    let environment = current
    let number = UInt32(truncatingIfNeeded: count)
    guard environments[environment].frames &+ number <= environments[environment].frameQuota,
      header.value.freeFrames >= number
    else { return CallResult(.exhausted) }
    guard let table = lastTable(root: currentRoot, address: address) else { return CallResult(.noPageTable) }
    var index = first
    while index < first &+ count {
      guard tableEntry(table, index) & PageEntry.present == 0 else { return CallResult(.busy) }
      index &+= 1
    }
    index = first
    while index < first &+ count {
      guard
        let frame = takeFrame(
          nil, for: environment, kind: .memory, guardName: capability.name, guardLength: capability.length)
      else {
        guard index != first else { return CallResult(.busy) }
        break
      }
      setTableEntry(table, index, pageEntry(frame: frame, rights: .read | .write))
      frames[frame].references = 1
      frames[frame].dirty = 1
      index &+= 1
    }
    return CallResult(index &- first)
  }

  /// Physical address of the running environment's root table.
  @inline(__always) var currentRoot: UInt64 { UInt64(environments[current].rootTable) &<< 12 }

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
