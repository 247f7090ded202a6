import ExokernelABI

/// Bytes of a region: their physical address, and how many.
struct RegionPart {
  var place: UInt64
  var count: UInt32
}

/// Regions: parts of frames that environments share which do not trust each other. The kernel copies, so nobody maps
/// the rest of the frame, and no access passes the region's end.
extension Kernel {
  /// Checks `CallNumber.regionBind`: which record it becomes, and what is written there.
  func decodeRegionBind(_ call: RegionBindArguments) throws(CallError) -> (index: UInt32, record: RegionRecord) {
    let capability = try presented(call.slot)
    let frame = try require(capability, .read | .write | .allocate, frame: call.frame)
    guard call.count >= 1, call.count <= 4096, call.offset <= 4096 &- call.count else { throw .badArgument }
    let name = try guardArgument(name: call.name, length: call.length, capability, .allocate)
    guard UInt32(frames[frame].owner) == current else { throw .notPermitted }
    guard frames[frame].pins < UInt16.max &- 64 else { throw .busy }
    guard hasRoom(current, .regions), let index = regions.firstFree() else { throw .exhausted }
    let record = RegionRecord(
      guardName: name.guardName, generation: regions[index].generation &+ 1, ownerPlusOne: current &+ 1, frame: frame,
      offset: UInt32(truncatingIfNeeded: call.offset), count: UInt32(truncatingIfNeeded: call.count))
    return (index, record)
  }

  /// Makes the region; returns its handle.
  func performRegionBind(_ decoded: (index: UInt32, record: RegionRecord)) -> UInt64 {
    frames[decoded.record.frame].pin()
    regions[decoded.index] = decoded.record
    charge(current, .regions)
    return Handle.of(decoded.index, generation: decoded.record.generation)
  }

  /// The region that `handle` names, where the capability in `slot` dominates its guard with `rights`.
  private func region(_ handle: UInt64, slot: UInt64, _ rights: Rights) throws(CallError) -> UInt32 {
    guard let index = regions.index(of: handle) else { throw .noSuchResource }
    try require(slot, rights, guardName: regions[index].guardName)
    return index
  }

  /// Checks `CallNumber.regionUnbind`.
  func decodeRegionUnbind(slot: UInt64, region handle: UInt64) throws(CallError) -> UInt32 {
    try region(handle, slot: slot, .allocate)
  }

  /// Removes the region.
  func performRegionUnbind(_ index: UInt32) { unbindRegion(index) }

  func unbindRegion(_ index: UInt32) {
    frames[regions[index].frame].unpin()
    discharge(regions[index].ownerPlusOne &- 1, .regions)
    regions[index].ownerPlusOne = 0
  }

  /// Checks `CallNumber.regionRead`.
  func decodeRegionRead(slot: UInt64, region handle: UInt64, offset: UInt64, count: UInt64) throws(CallError)
    -> RegionPart
  {
    try part(of: handle, slot: slot, .read, offset: offset, count: count)
  }

  /// Copies the part into the environment page; returns how many bytes.
  func performRegionRead(_ part: RegionPart) -> UInt64 {
    hardware.copy(from: part.place, to: regionBuffer, count: part.count)
    return UInt64(part.count)
  }

  /// Checks `CallNumber.regionWrite`.
  func decodeRegionWrite(slot: UInt64, region handle: UInt64, offset: UInt64, count: UInt64) throws(CallError)
    -> RegionPart
  {
    try part(of: handle, slot: slot, .write, offset: offset, count: count)
  }

  /// Copies from the environment page into the part; returns how many bytes.
  func performRegionWrite(_ part: RegionPart) -> UInt64 {
    hardware.copy(from: regionBuffer, to: part.place, count: part.count)
    return UInt64(part.count)
  }

  /// The part of a region that a call names.
  private func part(of handle: UInt64, slot: UInt64, _ rights: Rights, offset: UInt64, count: UInt64)
    throws(CallError) -> RegionPart
  {
    let index = try region(handle, slot: slot, rights)
    let size = UInt64(regions[index].count)
    guard count <= EnvironmentPage.regionCapacity, count <= size, offset <= size &- count else { throw .badArgument }
    return RegionPart(
      place: UInt64(regions[index].frame) &<< 12 &+ UInt64(regions[index].offset) &+ offset,
      count: UInt32(truncatingIfNeeded: count))
  }

  private var regionBuffer: UInt64 {
    UInt64(environments[current].environmentPage) &<< 12 &+ EnvironmentPage.regionOffset
  }
}
