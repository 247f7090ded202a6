import ExokernelABI

// Revoked frames: memory that the kernel takes from its owner, because that was asked for it in vain, or has ended.
// What keeps such a frame in use is taken away. Bindings that pin it are unbound at once. Mappings are found by a sweep
// through all page tables that may have some, in small steps. No call does anything new with a revoked frame, so one
// sweep that begins after the frame was revoked finds them all. Whoever loses something is told.
extension Kernel {
  /// Revokes memory, and unbinds what looks at it or is filled by the kernel. After the sweep of the number that is
  /// returned nobody living maps it; a device may still work on it. Bounded by the tables of regions, filters and
  /// predicates.
  @discardableResult func revoke(_ frame: UInt32) -> UInt64 {
    if frames[frame].pins != 0 { dropBindings(of: frame) }
    frames[frame].revoke()
    return frames[frame].references != 0 ? wantSweep() : 0
  }

  /// Asks for a sweep that begins after now; returns its number.
  func wantSweep() -> UInt64 {
    kernelPrivate.value.sweep.wanted = kernelPrivate.value.sweep.begun &+ 1
    kernelPrivate.value.needsChores = 1
    return kernelPrivate.value.sweep.wanted
  }

  /// True while there is a sweep to make.
  @inline(__always) var needsSweep: Bool {
    kernelPrivate.value.sweep.wanted != kernelPrivate.value.sweep.ended
  }

  /// Takes up to `limit` steps of a sweep; true while more can be done at once.
  @discardableResult func sweep(limit: UInt32) -> Bool {
    for _ in 0..<limit {
      guard needsSweep else { return false }
      sweepStep()
    }
    return needsSweep
  }

  /// Looks at the next few entries of one page table, at most `entriesPerStep`.
  private func sweepStep() {
    if kernelPrivate.value.sweep.isActive == 0 { beginSweep() }
    let environment = kernelPrivate.value.sweep.environment
    guard environment < environments.count else { return endSweep() }
    let address = kernelPrivate.value.sweep.address
    let root = rootTable(of: environment)
    let holders = holders(of: root)
    var count: UInt32 = 0
    let next = visitMappings(root, from: address) { mapping in
      let frame = UInt32(truncatingIfNeeded: (mapping.entry & PageEntry.addressMask) &>> 12)
      guard frames[frame].isRevoked else { return }
      takeMapping(mapping, of: frame, from: holders)
      count &+= 1
    }
    if count != 0 { forgetTable(root) }
    kernelPrivate.value.sweep.address = next
    guard next >= AddressMap.userEnd else { return }
    kernelPrivate.value.sweep.passed |= 1 &<< UInt64(environment)
    findTable(from: environment &+ 1)
  }

  private func beginSweep() {
    kernelPrivate.value.sweep.isActive = 1
    kernelPrivate.value.sweep.begun &+= 1
    kernelPrivate.value.sweep.passed = 0
    findTable(from: 0)
  }

  private func endSweep() {
    kernelPrivate.value.sweep.isActive = 0
    kernelPrivate.value.sweep.ended = kernelPrivate.value.sweep.begun
    wakeReaper()
  }

  /// Goes on with the first environment from `start` on whose page table may map a revoked frame, and from the first
  /// one on behind the last: one that was made meanwhile may have the page table of one that has ended meanwhile.
  private func findTable(from start: UInt32) {
    kernelPrivate.value.sweep.address = 0
    var index = start
    for _ in 0..<environments.count {
      if index >= environments.count { index = 0 }
      guard !mayMapRevoked(index) else {
        kernelPrivate.value.sweep.environment = index
        return
      }
      index &+= 1
    }
    kernelPrivate.value.sweep.environment = environments.count
  }

  /// True for a living environment that maps frames of others or is asked for frames, but where the sweep has been
  /// through its page table, which another one has, too. What ended ones map the reaper lets go of.
  private func mayMapRevoked(_ environment: UInt32) -> Bool {
    guard isLive(environment) else { return false }
    guard (kernelPrivate.value.sharing | kernelPrivate.value.asked) & 1 &<< UInt64(environment) != 0 else {
      return false
    }
    var passed = kernelPrivate.value.sweep.passed
    while passed != 0 {
      let index = UInt32(truncatingIfNeeded: passed.trailingZeroBitCount)
      passed &= passed &- 1
      if environments[index].rootTable == environments[environment].rootTable { return false }
    }
    return true
  }

  /// An environment ends: what it maps is for the reaper now. Where others have its page table, the sweep has been
  /// through that as theirs, or goes through it as theirs.
  func leaveSweep(_ environment: UInt32) {
    let bit: UInt64 = 1 &<< UInt64(environment)
    if kernelPrivate.value.sweep.passed & bit != 0 {
      kernelPrivate.value.sweep.passed &= ~bit
      kernelPrivate.value.sweep.passed |= holders(of: rootTable(of: environment))
    }
    guard kernelPrivate.value.sweep.isActive != 0, kernelPrivate.value.sweep.environment == environment else { return }
    findTable(from: environment &+ 1)
  }

  /// The living environments that have a page table, as bits.
  func holders(of root: UInt64) -> UInt64 {
    var holders: UInt64 = 0
    for index in 0..<environments.count where isLive(index) && rootTable(of: index) == root {
      holders |= 1 &<< UInt64(index)
    }
    return holders
  }

  /// Removes a mapping, and tells everybody who has that page table. The caller lets translations be forgotten.
  func takeMapping(_ mapping: FoundMapping, of frame: UInt32, from holders: UInt64) {
    setTableEntry(mapping.table, mapping.index, 0)
    frames[frame].removeReference()
    if frames[frame].isRevoked, holders &>> UInt64(frames[frame].owner) & 1 != 0 { frames[frame].noteTold() }
    var rest = holders
    while rest != 0 {
      tell(UInt32(truncatingIfNeeded: rest.trailingZeroBitCount), of: UInt64(frame), mapping.address)
      rest &= rest &- 1
    }
  }

  /// Forgets all translations of a page table, on every processor where it is in force.
  func forgetTable(_ root: UInt64) {
    if processor.value.activeRoot == root { hardware.activate(root: root) }
    if header.value.processorCount > 1 { forgetElsewhere(root) }
  }

  /// Writes into the repossession vector of a living environment, and counts an event for it; where the environment
  /// did not meet a request, there is one event for all that it loses meanwhile, when the request is over.
  func tell(_ environment: UInt32, of resource: UInt64, _ address: UInt64) {
    let told = revocations[environment].told
    let place =
      UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.repossessionOffset
      &+ UInt64(told) % EnvironmentPage.repossessionCapacity &* 16
    put(place, resource)
    put(place &+ 8, address)
    revocations[environment].told = told &+ 1
    page(of: environment).value.repossessed = UInt64(told &+ 1)
    if !isTaking(from: environment) { countEvent(of: environment) }
  }
}
