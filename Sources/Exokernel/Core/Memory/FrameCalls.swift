import ExokernelABI

// Calls on frames. Each decodes and checks everything, then changes state and cannot fail.
extension Kernel {
  /// `CallNumber.frameAllocate`.
  public func frameAllocate(slot: UInt64, frame: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard capability.rights.contains(.allocate) else { return refuse(.notPermitted) }
    let environment = current
    guard hasRoom(environment, .frames) else { return refuse(.exhausted) }
    let wanted: UInt32?
    if frame == CallNumber.any {
      wanted = nil
    } else {
      guard frame < UInt64(header.value.frameCount) else { return refuse(.noSuchResource) }
      wanted = UInt32(truncatingIfNeeded: frame)
    }
    guard let taken = takeFrame(wanted, identity(of: environment, capability), guardName: capability.guardName) else {
      return refuse(wanted != nil ? .busy : header.value.freeFrames == 0 ? .exhausted : .again)
    }
    return CallResult(UInt64(taken))
  }

  /// What a frame of memory is that `environment` takes under `capability`.
  @inline(__always) func identity(of environment: UInt32, _ capability: Capability) -> FrameIdentity {
    FrameIdentity(
      owner: UInt8(truncatingIfNeeded: environment), kind: .memory)
  }

  /// `CallNumber.frameFree`. Page tables are not memory any more and stay to the environment's end.
  public func frameFree(slot: UInt64, frame: UInt64) -> CallResult {
    if let error = refusal(slot, .allocate, frame: frame) { return refuse(error) }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].references == 0, frames[index].pins == 0 else { return refuse(.busy) }
    returnFrame(index)
    return .success
  }

  /// `CallNumber.frameGuard`. Mappings that were made before stay.
  public func frameGuard(slot: UInt64, frame: UInt64, name: UInt64, lengthAndAllowed: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    if let error = permits(capability, .allocate, frame: frame) { return refuse(error) }
    let length = lengthAndAllowed & 0xffff_ffff
    let allowed = lengthAndAllowed &>> 32
    guard length <= 8, allowed <= 7 else { return refuse(.badArgument) }
    let wanted = Capability(name: name, length: UInt32(truncatingIfNeeded: length), rights: .none)
    guard wanted.isValid else { return refuse(.badArgument) }
    guard capability.allows(.allocate, guardName: wanted.guardName) else {
      return refuse(.notPermitted)
    }
    let index = UInt32(truncatingIfNeeded: frame)
    frames[index].guardWith(wanted.guardName, allowed: UInt8(truncatingIfNeeded: allowed))
    return .success
  }

  /// `CallNumber.frameGive`. The guard becomes the receiver's.
  public func frameGive(slot: UInt64, frame: UInt64, environment table: UInt64) -> CallResult {
    if let error = refusal(slot, .allocate, frame: frame) { return refuse(error) }
    let receiver: UInt32
    do throws(CallError) { receiver = try tableOwner(table) } catch { return refuse(error) }
    let index = UInt32(truncatingIfNeeded: frame)
    // What is pinned is in use by a binding of its owner's.
    guard frames[index].pins == 0 else { return refuse(.busy) }
    guard UInt32(frames[index].owner) == receiver || hasRoom(receiver, .frames) else { return refuse(.exhausted) }
    kernelPrivate.value.sharing |= 1 &<< UInt64(frames[index].owner) | 1 &<< UInt64(receiver)
    handOver(index, to: receiver, guardName: environments[receiver].guardName)
    return .success
  }
}
