import ExokernelABI

/// Regions: parts of frames that environments share which do not trust each other. The kernel copies, so nobody maps the rest of the frame,
/// and no access passes the region's end.
extension Kernel {
  /// `CallNumber.regionBind`.
  public func regionBind(_ call: RegionBindArguments) -> CallResult {
    guard let capability = capability(call.slot) else { return refuse(.noSuchCapability) }
    if let error = permits(capability, .read | .write | .allocate, frame: call.frame) { return refuse(error) }
    let offset = call.offset
    let count = call.count
    guard count >= 1, count <= 4096, offset <= 4096 &- count, call.length <= 8 else { return refuse(.badArgument) }
    let wanted = Capability(name: call.name, length: UInt32(truncatingIfNeeded: call.length), rights: .none)
    guard wanted.isValid else { return refuse(.badArgument) }
    guard capability.allows(.allocate, guardName: wanted.guardName) else {
      return refuse(.notPermitted)
    }
    let number = UInt32(truncatingIfNeeded: call.frame)
    guard UInt32(frames[number].owner) == current else { return refuse(.notPermitted) }
    guard frames[number].pins < UInt16.max &- 64 else { return refuse(.busy) }
    guard hasRoom(current, .regions), let index = regions.firstFree() else { return refuse(.exhausted) }
    let generation = regions[index].generation &+ 1
    frames[number].pin()
    regions[index] = RegionRecord(
      guardName: wanted.guardName, generation: generation, ownerPlusOne: current &+ 1,
      frame: number, offset: UInt32(truncatingIfNeeded: offset), count: UInt32(truncatingIfNeeded: count))
    charge(current, .regions)
    return CallResult(Handle.of(index, generation: generation))
  }

  /// The region that `handle` names, where the capability in `slot` dominates its guard with `rights`.
  private func region(_ handle: UInt64, slot: UInt64, _ rights: Rights) throws(CallError) -> UInt32 {
    guard let index = regions.index(of: handle) else { throw .noSuchResource }
    if let error = refusal(slot, rights, guardName: regions[index].guardName) { throw error }
    return index
  }

  /// `CallNumber.regionUnbind`.
  public func regionUnbind(slot: UInt64, region handle: UInt64) -> CallResult {
    do throws(CallError) {
      unbindRegion(try region(handle, slot: slot, .allocate))
      return .success
    } catch {
      return refuse(error)
    }
  }

  func unbindRegion(_ index: UInt32) {
    frames[regions[index].frame].unpin()
    discharge(regions[index].ownerPlusOne &- 1, .regions)
    regions[index].ownerPlusOne = 0
  }

  /// `CallNumber.regionRead`.
  public func regionRead(slot: UInt64, region handle: UInt64, offset: UInt64, count: UInt64) -> CallResult {
    do throws(CallError) {
      let place = try place(in: handle, slot: slot, .read, offset: offset, count: count)
      hardware.copy(from: place, to: regionBuffer, count: UInt32(truncatingIfNeeded: count))
      return CallResult(count)
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.regionWrite`.
  public func regionWrite(slot: UInt64, region handle: UInt64, offset: UInt64, count: UInt64) -> CallResult {
    do throws(CallError) {
      let place = try place(in: handle, slot: slot, .write, offset: offset, count: count)
      hardware.copy(from: regionBuffer, to: place, count: UInt32(truncatingIfNeeded: count))
      return CallResult(count)
    } catch {
      return refuse(error)
    }
  }

  /// Physical address of the part of a region that a call names.
  private func place(in handle: UInt64, slot: UInt64, _ rights: Rights, offset: UInt64, count: UInt64)
    throws(CallError) -> UInt64
  {
    let index = try region(handle, slot: slot, rights)
    let size = UInt64(regions[index].count)
    guard count <= EnvironmentPage.regionCapacity, count <= size, offset <= size &- count else { throw .badArgument }
    return UInt64(regions[index].frame) &<< 12 &+ UInt64(regions[index].offset) &+ offset
  }

  private var regionBuffer: UInt64 {
    UInt64(environments[current].environmentPage) &<< 12 &+ EnvironmentPage.regionOffset
  }
}
