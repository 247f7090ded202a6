import ExokernelABI

// Taking back what ended environments owned. What others map or look at is taken from them, as by force, and they are
// told; what a device works on stays with the ended record until the request ends: a frame has a new owner only when
// nobody can reach it any more.
extension Kernel {
  /// Takes up to `limit` small steps in taking back the frames of ended environments; true while more can be done at
  /// once. Each step is a frame, or `entriesPerStep` entries of a page table.
  public func reap(limit: UInt32) -> Bool {
    guard kernelPrivate.value.reaping != 0 else { return false }
    for _ in 0..<limit {
      let position = kernelPrivate.value.reaper.environment
      let rest = kernelPrivate.value.reaping & (~0 &<< UInt64(position))
      guard position < environments.count, rest != 0 else { return startRound() }
      let environment = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      if environment != position {
        kernelPrivate.value.reaper.environment = environment
        kernelPrivate.value.reaper.frame = 0
        kernelPrivate.value.reaper.address = 0
      }
      let bit: UInt64 = 1 &<< UInt64(environment)
      if kernelPrivate.value.sharing & ~kernelPrivate.value.unmapped & bit != 0 {
        dropMappings(of: environment, bit)
      } else {
        reapFrame(of: environment, bit)
      }
    }
    return true
  }

  /// Every ended environment was looked at: true where another round may find more.
  private func startRound() -> Bool {
    let progress = kernelPrivate.value.reaper.progress
    kernelPrivate.value.reaper = ReaperPosition(address: 0, environment: 0, frame: 0, progress: 0)
    // Chains that the device has sent keep frames until somebody looks.
    var isSending = false
    if kernelPrivate.value.reaping != 0 {
      for index in 0..<header.value.interfaceCount {
        reclaimSent(index)
        if progress == 0, sendsForEnded(index) { isSending = true }
      }
    }
    // The device does not say when it has sent something. Everything else that is waited for calls `wakeReaper`.
    kernelPrivate.value.reaperWaits = progress | (isSending ? 1 : 0) == 0 ? 1 : 0
    return progress != 0 && kernelPrivate.value.reaping != 0
  }

  /// True where an interface still has a packet of an ended environment's. Bounded by its queue.
  private func sendsForEnded(_ driver: UInt32) -> Bool {
    for head in 0..<InterfaceDriver.sendQueueSize {
      let ownerPlusOne = UInt64(sendOwners[driver &* InterfaceDriver.sendQueueSize &+ head])
      if ownerPlusOne != 0, kernelPrivate.value.reaping &>> (ownerPlusOne &- 1) & 1 != 0 { return true }
    }
    return false
  }

  /// Something has happened that may let a frame of an ended environment's go back.
  func wakeReaper() {
    guard kernelPrivate.value.reaping != 0 else { return }
    kernelPrivate.value.reaperWaits = 0
    kernelPrivate.value.reaper.progress = 1
    kernelPrivate.value.needsChores = 1
  }

  /// Lets go of the frames that the next few entries of an ended environment's page tables map: some may be another
  /// environment's.
  private func dropMappings(of environment: UInt32, _ bit: UInt64) {
    let address = kernelPrivate.value.reaper.address
    if address < AddressMap.userEnd {
      kernelPrivate.value.reaper.address = visitMappings(rootTable(of: environment), from: address) { mapping in
        dropReference(mapping.entry)
      }
    } else {
      kernelPrivate.value.unmapped |= bit
      startReapingSharers(of: environment)
    }
    kernelPrivate.value.reaper.progress = 1
  }

  /// Takes back one frame of an ended environment's list, or steps over it; with the last one, its record is free.
  private func reapFrame(of environment: UInt32, _ bit: UInt64) {
    var frame = kernelPrivate.value.reaper.frame
    // Somebody whose capability dominates the guard may have freed the frame between two steps: then the list starts
    // over.
    let isOwn =
      frame != 0 && frames[frame].kind != FrameKind.free.rawValue && UInt32(frames[frame].owner) == environment
    if !isOwn { frame = environments[environment].firstFrame }
    guard frame != 0 else {
      freeRecord(environment)
      kernelPrivate.value.reaping &= ~bit
      kernelPrivate.value.sharing &= ~bit
      kernelPrivate.value.sharesTable &= ~bit
      kernelPrivate.value.reaper.environment = environment &+ 1
      kernelPrivate.value.reaper.frame = 0
      kernelPrivate.value.reaper.address = 0
      return
    }
    let next = frames[frame].next
    if isFreeToGo(frame, of: environment, bit) {
      returnFrame(frame)
      kernelPrivate.value.reaper.progress = 1
    }
    kernelPrivate.value.reaper.frame = next
    // The list's end: on to the next environment, unless all of this one's frames are gone and its record can be freed.
    if next == 0, environments[environment].firstFrame != 0 {
      kernelPrivate.value.reaper.environment = environment &+ 1
      kernelPrivate.value.reaper.address = 0
    }
  }

  /// True where nobody can reach a frame of an ended environment any more. Where others can, they lose it: the frame is
  /// revoked, and goes back in a later round.
  private func isFreeToGo(_ frame: UInt32, of environment: UInt32, _ bit: UInt64) -> Bool {
    let kind = frames[frame].kind
    // Tables that another environment still uses are mapped as long as that one lives.
    let isShared = kernelPrivate.value.sharesTable & bit != 0
    if kind == FrameKind.pageTable.rawValue { return !isShared && frames[frame].pins == 0 }
    // A flush of a disk pins it.
    if kind == FrameKind.environmentPage.rawValue { return frames[frame].pins == 0 }
    if frames[frame].pins != 0 { dropPredicates(on: frame) }
    let isMapped = kernelPrivate.value.sharing & bit != 0 && frames[frame].references != 0
    // What the environments that share its page table map is theirs to use as long as the table is.
    if isMapped, !isShared, !frames[frame].isRevoked {
      revoke(frame)
      kernelPrivate.value.reaper.progress = 1
    }
    return !isMapped && frames[frame].pins == 0
  }
}
