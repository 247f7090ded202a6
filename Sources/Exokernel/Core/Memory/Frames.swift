import ExokernelABI

// The fields of `FrameRecord` are written in this file only; `SourceRuleTests` looks after that. All of them are
// guarded by the kernel's lock.
extension FrameRecord {
  /// Counts a mapping, or an environment that uses the frame as its root table.
  @inline(__always) mutating func addReference() { references &+= 1 }

  /// Counts one less. The caller knows that there was one.
  @inline(__always) mutating func removeReference() { references &-= 1 }

  /// Keeps the frame in place: a device works on it, or a binding looks at it. The caller has checked that there is
  /// room to count.
  @inline(__always) mutating func pin() { pins &+= 1 }

  /// Takes back one `pin`.
  @inline(__always) mutating func unpin() { pins &-= 1 }

  /// Sets the guard, and the rights that new mappings may have. Mappings that were made before stay.
  @inline(__always) mutating func guardWith(_ name: UInt64, allowed: UInt8) {
    guardName = name
    identity.allowed = allowed
  }

  /// Makes an owned frame something else, which stays on its list.
  @inline(__always) mutating func become(_ identity: FrameIdentity, guardName: UInt64) {
    self.guardName = guardName
    self.identity = identity
  }

  /// Makes memory something that the kernel takes from its owner. Nothing new is done with it.
  @inline(__always) mutating func revoke() {
    identity.kind = kind == FrameKind.large.rawValue ? FrameKind.revokedLarge.rawValue : FrameKind.revoked.rawValue
    identity.allowed = 0
  }

  /// The owner was told of a mapping of a revoked frame that it has lost.
  @inline(__always) mutating func noteTold() { identity.allowed = 1 }

  /// Links a frame that is on no list before `frame`, in a list that is never searched.
  @inline(__always) mutating func link(before frame: UInt32) { next = frame }

  /// The first of a free and clean large frame is like one that nobody has ever had.
  @inline(__always) mutating func becomeUntouched() { dirty = 0 }

  /// A frame that was just given to its owner, on no list yet. From now on it may hold the owner's data.
  @inline(__always) static func owned(_ identity: FrameIdentity, guardName: UInt64) -> FrameRecord {
    FrameRecord(
      guardName: guardName, identity: identity, references: 0, next: 0, previous: 0, application: 0, pins: 0, dirty: 1)
  }

  /// A frame that is nobody's. It may hold data of its last owner, or, where it stands for a large one, 512 frames may.
  @inline(__always) static func free(next: UInt32, isLarge: Bool = false) -> FrameRecord {
    FrameRecord(
      guardName: 0, identity: FrameIdentity(owner: 0, kind: .free), references: 0, next: next, previous: 0,
      application: 0, pins: 0, dirty: isLarge ? 2 : 1)
  }
}

// Ownership of frames. A frame is on at most one list: the free list, the list of clean or of dirty large frames, or
// its owner's. Frames from `frontier` up to `largeFrontier` that nobody has ever had are on none: single ones are taken
// from below, large ones from above.
extension Kernel {
  /// Takes a free frame for `identity.owner`, guarded by `guardName`. Zero-filled, and charged. The caller has checked
  /// the quota. Nil as for `findFrame`.
  func takeFrame(_ identity: FrameIdentity, guardName: UInt64) -> UInt32? {
    guard let found = findFrame(nil) else { return nil }
    give(found, identity, guardName: guardName)
    return found
  }

  /// Finds a free frame, `wanted`, or any where that is nil, and takes it from the list that it is on: the caller gives
  /// it to somebody, or puts it back with `linkFree`. Bounded: behind more than `frontierSteps` frames that were
  /// allocated by name it finds none even if there are free ones; the next attempt goes on where this one ended.
  func findFrame(_ wanted: UInt32?) -> UInt32? {
    if let wanted {
      guard wanted >= header.value.firstFrame, frames[wanted].kind == 0 else { return nil }
      // A frame that was given back is on the free list; one at the frontier or above never was. What is left is a part
      // of a large one.
      if frames[wanted].dirty == 1 {
        unlinkFree(wanted)
      } else if frames[wanted].dirty != 0 || wanted >= header.value.largeFrontier {
        return nil
      }
      if wanted == header.value.frontier { header.value.frontier &+= 1 }
      return wanted
    }
    // Never used, so zero: preferred to one that must be cleared.
    if let fresh = freshAtFrontier() ?? frameAtFrontier() { return fresh }
    guard header.value.freeHead != 0 || breakLarge() else { return nil }
    let found = header.value.freeHead
    unlinkFree(found)
    return found
  }

  /// The frame at the frontier where nobody took it by name, which is almost always so, and always while the machine
  /// boots.
  @inline(__always) func freshAtFrontier() -> UInt32? {
    let frame = header.value.frontier
    guard frame < header.value.largeFrontier else { return nil }
    let record = frames.cell(at: frame)
    guard record.value.kind | record.value.dirty == 0 else { return nil }
    header.value.frontier = frame &+ 1
    return frame
  }

  /// The first frame at the frontier that no named allocation took; moves the frontier past it. It passes a few taken
  /// ones to find a frame that needs no clearing, and more of them where there is no other free frame.
  private func frameAtFrontier() -> UInt32? {
    var frame = header.value.frontier
    for _ in 0..<(header.value.freeHead != 0 ? 8 : Self.frontierSteps) {
      guard frame < header.value.largeFrontier else { break }
      if frames[frame].kind == 0, frames[frame].dirty == 0 {
        header.value.frontier = frame &+ 1
        return frame
      }
      frame &+= 1
    }
    header.value.frontier = frame
    return nil
  }

  /// Most frames that one allocation passes.
  private static var frontierSteps: UInt32 { 128 }

  /// Puts a frame that is on no list on its new owner's. From now on it may hold the owner's data.
  @inline(__always) func give(_ frame: UInt32, _ identity: FrameIdentity, guardName: UInt64) {
    let record = frames.cell(at: frame)
    if record.value.dirty != 0 { hardware.clear(frame: UInt64(frame) &<< 12) }
    record.value = .owned(identity, guardName: guardName)
    linkOwned(frame, to: UInt32(identity.owner), weight: 1)
  }

  /// Puts a part of a large frame of the owner's, which is on no list any more, on the owner's list. It keeps its data.
  func keep(_ frame: UInt32, _ identity: FrameIdentity, guardName: UInt64) {
    frames[frame] = .owned(identity, guardName: guardName)
    linkOwned(frame, to: UInt32(identity.owner), weight: 1)
  }

  /// The same for the first of a large frame, which is clean.
  func giveLarge(_ frame: UInt32, _ identity: FrameIdentity, guardName: UInt64) {
    frames[frame] = .owned(identity, guardName: guardName)
    linkOwned(frame, to: UInt32(identity.owner), weight: FrameRecord.largeWeight)
  }

  /// Makes an owned frame `receiver`'s, guarded by `guardName`. The caller has checked the receiver's quota.
  @inline(__always) func handOver(_ frame: UInt32, to receiver: UInt32, guardName: UInt64) {
    unlinkOwned(frame, weight: 1)
    frames[frame].guardName = guardName
    frames[frame].identity.owner = UInt8(truncatingIfNeeded: receiver)
    linkOwned(frame, to: receiver, weight: 1)
  }

  /// One mapping less of the frame that `entry` names. Every frame of the machine has a record, those of the boot
  /// archive, too.
  @inline(__always) func dropReference(_ entry: UInt64) {
    frames[UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)].removeReference()
  }

  /// Puts a frame at the head of an owner's list, and charges it as `weight` frames.
  @inline(__always) func linkOwned(_ frame: UInt32, to owner: UInt32, weight: UInt32) {
    let environment = environments.cell(at: owner)
    let head = environment.value.firstFrame
    if head != 0 { frames[head].previous = frame }
    frames[frame].next = head
    frames[frame].previous = 0
    environment.value.firstFrame = frame
    environment.value.quotas[.frames].used &+= weight
    header.value.freeFrames &-= weight
  }

  /// Takes a frame from its owner's list.
  func unlinkOwned(_ frame: UInt32, weight: UInt32) {
    let owner = UInt32(frames[frame].owner)
    let next = frames[frame].next
    let previous = frames[frame].previous
    if next != 0 { frames[next].previous = previous }
    if previous != 0 { frames[previous].next = next } else { environments[owner].firstFrame = next }
    // A search that stands at this frame goes on with the next one: nobody gets out of its way.
    if kernelPrivate.value.asked & 1 &<< UInt64(owner) != 0, revocations[owner].cursor == frame {
      revocations[owner].cursor = next
    }
    environments[owner].quotas[.frames].used &-= weight
    header.value.freeFrames &+= weight
  }

  /// Gives a frame of its owner's back. Nothing may map it or have it in flight.
  func returnFrame(_ frame: UInt32) {
    guard !frames[frame].isLarge else { return returnLarge(frame) }
    unlinkOwned(frame, weight: 1)
    linkFree(frame)
  }

  /// Puts a frame that is on no list on the list of free frames.
  func linkFree(_ frame: UInt32) {
    let head = header.value.freeHead
    if head != 0 { frames[head].previous = frame }
    frames[frame] = .free(next: head)
    header.value.freeHead = frame
  }

  /// Puts the first of a large frame that is on no list before the large frames that are to be cleared.
  func linkDirty(_ frame: UInt32) {
    frames[frame] = .free(next: kernelPrivate.value.largeDirty, isLarge: true)
    kernelPrivate.value.largeDirty = frame
  }

  private func unlinkFree(_ frame: UInt32) {
    let next = frames[frame].next
    let previous = frames[frame].previous
    if next != 0 { frames[next].previous = previous }
    if previous != 0 { frames[previous].next = next } else { header.value.freeHead = next }
  }

  /// Nil where `frame` is memory of an environment and `capability` dominates its guard with `rights`; otherwise what
  /// the call is refused with.
  @inline(__always) func permits(_ capability: Capability, _ rights: Rights, frame: UInt64, kind: FrameKind = .memory)
    -> CallError?
  {
    guard frame < UInt64(header.value.frameCount) else { return .noSuchResource }
    let record = frames.cell(at: UInt32(truncatingIfNeeded: frame))
    guard record.value.kind == kind.rawValue else {
      return record.value.isRevoked ? .revoked : .noSuchResource
    }
    guard
      capability.allows(rights, guardName: record.value.guardName)
    else { return .notPermitted }
    return nil
  }

  /// The frame that a call names, where `capability` dominates its guard with `rights`.
  @inline(__always) func require(
    _ capability: Capability, _ rights: Rights, frame: UInt64, kind: FrameKind = .memory
  ) throws(CallError) -> UInt32 {
    if let error = permits(capability, rights, frame: frame, kind: kind) { throw error }
    return UInt32(truncatingIfNeeded: frame)
  }

  /// The same for a capability by its slot.
  @inline(__always) func require(_ slot: UInt64, _ rights: Rights, frame: UInt64, kind: FrameKind = .memory)
    throws(CallError) -> UInt32
  {
    try require(try presented(slot), rights, frame: frame, kind: kind)
  }
}
