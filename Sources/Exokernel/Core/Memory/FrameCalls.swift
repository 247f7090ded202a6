import ExokernelABI

/// A frame that nobody owns, and whose it will be: found by a decode, on no list until `give` puts it on its owner's.
struct FreshFrame {
  var frame: UInt32
  var guardName: UInt64
}

// Calls on frames.
extension Kernel {
  /// Checks `CallNumber.frameAllocate`. The search for a free frame is the last check, for only the search tells
  /// whether there is one within its bound; where it fails, nothing has changed but where the next one goes on.
  func decodeFrameAllocate(slot: UInt64, frame: UInt64) throws(CallError) -> FreshFrame {
    let capability = try presented(slot)
    guard capability.rights.contains(.allocate) else { throw .notPermitted }
    try requireGrowth(of: current)
    guard hasRoom(current, .frames) else { throw .exhausted }
    guard frame != CallNumber.any else { return FreshFrame(frame: try anyFrame(), guardName: capability.guardName) }
    guard frame < UInt64(header.value.frameCount) else { throw .noSuchResource }
    guard let found = findFrame(UInt32(truncatingIfNeeded: frame)) else { throw .busy }
    return FreshFrame(frame: found, guardName: capability.guardName)
  }

  /// Makes the frame the caller's; returns its number.
  func performFrameAllocate(_ fresh: FreshFrame) -> UInt64 {
    give(fresh.frame, .memory(of: current), guardName: fresh.guardName)
    return UInt64(fresh.frame)
  }

  /// A free frame; throws `again` where there are some and the search has not come to one.
  func anyFrame() throws(CallError) -> UInt32 {
    guard let found = findFrame(nil) else { throw header.value.freeFrames == 0 ? .exhausted : .again }
    return found
  }

  /// Checks `CallNumber.frameFree`. Page tables are not memory any more and stay to the environment's end.
  func decodeFrameFree(slot: UInt64, frame: UInt64) throws(CallError) -> UInt32 {
    let index = try require(slot, .allocate, frame: frame)
    guard frames[index].references == 0, hasNoPins(index) else { throw .busy }
    return index
  }

  /// Gives the frame back. Whose predicate looks at it is told.
  func performFrameFree(_ frame: UInt32) {
    dropPredicates(on: frame)
    returnFrame(frame)
  }

  /// Checks `CallNumber.frameGuard`.
  func decodeFrameGuard(_ call: FrameGuardArguments) throws(CallError) -> (
    frame: UInt32, guardName: UInt64, allowed: UInt8
  ) {
    let capability = try presented(call.slot)
    let frame = try require(capability, .allocate, frame: call.frame)
    guard call.allowed <= 7 else { throw .badArgument }
    let name = try guardArgument(name: call.name, length: call.length, capability, .allocate)
    return (frame, name.guardName, UInt8(truncatingIfNeeded: call.allowed))
  }

  /// Gives the frame its new guard. Mappings that were made before stay.
  func performFrameGuard(_ decoded: (frame: UInt32, guardName: UInt64, allowed: UInt8)) {
    frames[decoded.frame].guardWith(decoded.guardName, allowed: decoded.allowed)
  }

  /// Checks `CallNumber.frameGive`.
  func decodeFrameGive(slot: UInt64, frame: UInt64, environment table: UInt64) throws(CallError) -> (
    frame: UInt32, receiver: UInt32
  ) {
    let index = try require(slot, .allocate, frame: frame)
    let receiver = try tableOwner(table)
    // What is pinned is in use by a binding of its owner's.
    guard hasNoPins(index) else { throw .busy }
    try requireGrowth(of: receiver)
    guard UInt32(frames[index].owner) == receiver || hasRoom(receiver, .frames) else { throw .exhausted }
    return (index, receiver)
  }

  /// Makes the frame the receiver's. The guard becomes the receiver's, too.
  func performFrameGive(_ decoded: (frame: UInt32, receiver: UInt32)) {
    let (index, receiver) = decoded
    dropPredicates(on: index)
    kernelPrivate.value.sharing |= 1 &<< UInt64(frames[index].owner) | 1 &<< UInt64(receiver)
    handOver(index, to: receiver, guardName: environments[receiver].guardName)
  }
}
