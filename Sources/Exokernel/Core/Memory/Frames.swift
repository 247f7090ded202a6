import ExokernelABI

// Ownership of frames. Every free or owned frame is on exactly one list: the free list, its owner's list, or (never allocated) none.
extension Kernel {
  /// Takes a free frame for environment `owner`, guarded by `guardName`: `wanted`, or any where that is nil. Zero-filled.
  /// The caller has checked the quota. Bounded: behind more than `frontierSteps` frames that were allocated by name it finds none even if
  /// there are free ones; the next attempt goes on where this one ended.
  func takeFrame(_ wanted: UInt32?, for owner: UInt32, kind: FrameKind, guardName: UInt64, guardLength: UInt32)
    -> UInt32?
  {
    let found: UInt32
    if let wanted {
      guard wanted >= header.value.firstFrame, wanted < header.value.frameCount, frames[wanted].kind == 0 else {
        return nil
      }
      found = wanted
      // A frame that was given back is on the free list; one at the frontier or above never was.
      if frames[wanted].dirty != 0 { unlinkFree(wanted) }
      if wanted == header.value.frontier { header.value.frontier &+= 1 }
    } else if let fresh = freshAtFrontier() ?? frameAtFrontier() {
      found = fresh  // never used, so zero: preferred to one that must be cleared
    } else {
      guard header.value.freeHead != 0 else { return nil }
      found = header.value.freeHead
      unlinkFree(found)
    }
    give(found, to: owner, kind: kind, guardName: guardName, guardLength: guardLength)
    return found
  }

  /// The frame at the frontier where nobody took it by name, which is almost always so, and always while the machine boots.
  @inline(__always) func freshAtFrontier() -> UInt32? {
    let frame = header.value.frontier
    guard frame < header.value.frameCount else { return nil }
    let record = frames.cell(at: frame)
    guard record.value.kind | record.value.dirty == 0 else { return nil }
    header.value.frontier = frame &+ 1
    return frame
  }

  /// The first frame at the frontier that no named allocation took; moves the frontier past it. It passes a few taken ones to find a frame
  /// that needs no clearing, and more of them where there is no other free frame.
  private func frameAtFrontier() -> UInt32? {
    var frame = header.value.frontier
    for _ in 0..<(header.value.freeHead != 0 ? 8 : Self.frontierSteps) {
      guard frame < header.value.frameCount else { break }
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

  /// Puts a frame that is on no list on its new owner's.
  @inline(__always) func give(
    _ frame: UInt32, to owner: UInt32, kind: FrameKind, guardName: UInt64, guardLength: UInt32
  ) {
    let record = frames.cell(at: frame)
    if record.value.dirty != 0 { machine.clear(frame: UInt64(frame) &<< 12) }
    let environment = environments.cell(at: owner)
    let head = environment.value.firstFrame
    if head != 0 { frames[head].previous = frame }
    record.value = FrameRecord(
      guardName: guardName, next: head, previous: 0, application: 0, owner: UInt16(truncatingIfNeeded: owner),
      references: 0, pins: 0, kind: kind.rawValue, dirty: 0, guardLength: UInt8(truncatingIfNeeded: guardLength))
    environment.value.firstFrame = frame
    environment.value.frames &+= 1
    header.value.freeFrames &-= 1
  }

  /// Gives a frame of its owner's back. Nothing may map it or have it in flight.
  func returnFrame(_ frame: UInt32) {
    let owner = UInt32(frames[frame].owner)
    let next = frames[frame].next
    let previous = frames[frame].previous
    if next != 0 { frames[next].previous = previous }
    if previous != 0 { frames[previous].next = next } else { environments[owner].firstFrame = next }
    environments[owner].frames &-= 1
    let head = header.value.freeHead
    if head != 0 { frames[head].previous = frame }
    frames[frame].kind = FrameKind.free.rawValue
    frames[frame].next = head
    frames[frame].previous = 0
    frames[frame].references = 0
    frames[frame].dirty = 1
    header.value.freeHead = frame
    header.value.freeFrames &+= 1
  }

  private func unlinkFree(_ frame: UInt32) {
    let next = frames[frame].next
    let previous = frames[frame].previous
    if next != 0 { frames[next].previous = previous }
    if previous != 0 { frames[previous].next = next } else { header.value.freeHead = next }
  }

  /// True where `frame` is memory of an environment and `capability` dominates its guard with `rights`.
  @inline(__always) func permits(_ capability: Capability, _ rights: Rights, frame: UInt64, kind: FrameKind = .memory)
    -> CallError?
  {
    guard frame < UInt64(header.value.frameCount) else { return .noSuchResource }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].kind == kind.rawValue else { return .noSuchResource }
    guard capability.allows(rights, guardName: frames[index].guardName, guardLength: UInt32(frames[index].guardLength))
    else { return .notPermitted }
    return nil
  }
}
