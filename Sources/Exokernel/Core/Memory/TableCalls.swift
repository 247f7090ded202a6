import ExokernelABI

// Growing page tables.
extension Kernel {
  /// `CallNumber.tableInstall`. `CallNumber.any` as the frame takes a fresh one, which need not be cleared.
  public func tableInstall(slot: UInt64, frame: UInt64, address: UInt64, level: UInt64, table: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard address < AddressMap.userEnd, !isReserved(address) else { return refuse(.badAddress) }
    // Large pages end one level earlier.
    guard level >= 1, level <= 3, level >= 2 || address < AddressMap.largePages else { return refuse(.badArgument) }
    let target: UInt32
    do throws(CallError) { target = try tableOwner(table) } catch { return refuse(error) }
    if let error = frame == CallNumber.any
      ? (capability.rights.contains(.write | .allocate) ? nil : .notPermitted)
      : permits(capability, .write | .allocate, frame: frame)
    {
      return refuse(error)
    }
    var parent = rootTable(of: target)
    var shift: UInt64 = 39
    let last = 12 &+ 9 &* level
    while shift > last {
      let entry = tableEntry(parent, address &>> shift)
      guard entry & PageEntry.present != 0 else { return refuse(.noPageTable) }
      parent = entry & PageEntry.addressMask
      shift &-= 9
    }
    guard tableEntry(parent, address &>> last) & PageEntry.present == 0 else { return refuse(.busy) }
    let index: UInt32
    do throws(CallError) { index = try tableFrame(frame, for: target) } catch { return refuse(error) }
    setTableEntry(parent, address &>> last, tablePointer(index))
    if address &>> 39 == 0, level == 3 { reserve(in: UInt64(index) &<< 12) }
    return .success
  }

  /// Makes a frame a cleared page table of `target`'s.
  private func tableFrame(_ frame: UInt64, for target: UInt32) throws(CallError) -> UInt32 {
    let identity = FrameIdentity(
      owner: UInt8(truncatingIfNeeded: target), kind: .pageTable)
    let name = environments[target].guardName
    if frame == CallNumber.any {
      guard hasRoom(target, .frames) else { throw .exhausted }
      guard let taken = takeFrame(nil, identity, guardName: name) else {
        throw header.value.freeFrames == 0 ? .exhausted : .again
      }
      frames[taken].addReference()
      return taken
    }
    let index = UInt32(truncatingIfNeeded: frame)
    let owner = UInt32(frames[index].owner)
    guard frames[index].references == 0, frames[index].pins == 0, owner == target || owner == current else {
      throw .busy
    }
    if owner != target {
      guard hasRoom(target, .frames) else { throw .exhausted }
      handOver(index, to: target, guardName: name)
    }
    hardware.clear(frame: frame &<< 12)
    frames[index].become(identity, guardName: name)
    frames[index].addReference()
    return index
  }

  /// Puts the template's entry for the reserved addresses into an environment's table of the first 512 GiB.
  func reserve(in table: UInt64) {
    let template = tableEntry(hardware.templateRoot, 0) & PageEntry.addressMask
    setTableEntry(table, AddressMap.reserved &>> 30, tableEntry(template, AddressMap.reserved &>> 30))
  }

  /// `CallNumber.framesAllocateMapped`.
  public func framesAllocateMapped(slot: UInt64, address: UInt64, count: UInt64, table: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard capability.rights.contains(.read | .write | .allocate) else { return refuse(.notPermitted) }
    guard isMappable(address), !isReserved(address) else { return refuse(.badAddress) }
    let first = address &>> 12 & 511
    guard count >= 1, count <= Self.runLimit, first &+ count <= 512 else { return refuse(.badArgument) }
    let target: UInt32
    do throws(CallError) { target = try tableOwner(table) } catch { return refuse(error) }
    let number = UInt32(truncatingIfNeeded: count)
    guard hasRoom(target, .frames, number), header.value.freeFrames >= number else { return refuse(.exhausted) }
    guard let place = unsafe entryPlace(target, address) else { return refuse(.noPageTable) }
    // Safe: the run stays inside the page table.
    for index in 0..<Int(truncatingIfNeeded: count) where unsafe place[index] & PageEntry.present != 0 {
      return refuse(.busy)
    }
    let identity = identity(of: target, capability)
    var index = 0
    while index < Int(truncatingIfNeeded: count) {
      guard let frame = takeFrame(nil, identity, guardName: capability.guardName) else {
        guard index != 0 else { return refuse(.again) }
        break
      }
      unsafe place[index] = pageEntry(frame: frame, rights: .read | .write)
      frames[frame].addReference()
      index &+= 1
    }
    return CallResult(UInt64(index))
  }
}
