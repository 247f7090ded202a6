import ExokernelABI

/// An environment that is to be made.
struct NewEnvironment {
  /// Its record, a free one, and the frames for its page and its root table, which are on no list.
  var index: UInt32
  var frames: EnvironmentFrames
  /// The slot that gets the capability for it.
  var place: UInt32
  var block: CreationBlock
  /// Where its page is mapped; the entry for that, where a page table is shared.
  var page: UInt64
  var entry: Cell<UInt64>?
  /// Whose page table it shares.
  var shared: UInt32?
}

/// An environment that is to run.
struct StartedEnvironment {
  var index: UInt32
  var entry: UInt64
  var stack: UInt64
  /// A free position of a slice vector.
  var position: UInt64
  /// Where its page is to be mapped; nil where that was done.
  var mapping: Cell<UInt64>?
}

// Environments made by programs.
extension Kernel {
  /// Checks `CallNumber.environmentCreate`. The search for two free frames is the last check.
  func decodeEnvironmentCreate(slot: UInt64, into: UInt64) throws(CallError) -> NewEnvironment {
    guard try presented(slot).rights.contains(.allocate) else { throw .notPermitted }
    let creator = current
    // Safe: the block is inside the environment page; it is copied before it is looked at.
    let block = unsafe hardware.memory(
      at: UInt64(environments[creator].environmentPage) &<< 12 &+ EnvironmentPage.creationBlockOffset
    ).loadUnaligned(as: CreationBlock.self)
    let place = try emptySlot(into)
    let page = block.pageAddress == 0 ? AddressMap.environmentPage : block.pageAddress
    guard isMappable(page), !isReserved(page) else { throw .badAddress }
    var shared: UInt32?
    var entry: Cell<UInt64>?
    if block.sharedTable != 0 {
      let other =
        block.sharedTable == Handle.own
        ? creator : try environment(block.sharedTable, slot: block.sharedTableSlot, .control)
      entry = try emptyEntry(other, page)
      shared = other
    }
    // The environment's own two frames, or the one page where the table is shared, are the least.
    guard block.quotas[.frames] >= (shared == nil ? 2 : 1) else { throw .badArgument }
    try ResourceKind.forEach { (kind) throws(CallError) in
      let quota = environments[creator].quotas[kind]
      let wanted = UInt64(block.quotas[kind]) &+ (kind == .environments ? 1 : 0)
      guard UInt64(quota.used) &+ wanted <= UInt64(quota.limit) else { throw .exhausted }
    }
    guard header.value.freeFrames >= 2, let index = environments.firstFree() else { throw .exhausted }
    guard let frames = findEnvironmentFrames(sharing: shared) else { throw .again }
    return NewEnvironment(
      index: index, frames: frames, place: place, block: block, page: page, entry: entry, shared: shared)
  }

  /// The entry for `address` in an environment's page table, which maps nothing.
  private func emptyEntry(_ environment: UInt32, _ address: UInt64) throws(CallError) -> Cell<UInt64> {
    guard let place = unsafe entryPlace(environment, address) else { throw .noPageTable }
    // Safe: the hardware, or the walk, vouches for the entry.
    let entry = unsafe Cell<UInt64>(UnsafeMutableRawPointer(place))
    guard entry.value & PageEntry.present == 0 else { throw .busy }
    return entry
  }

  /// Makes the environment; returns its handle.
  func performEnvironmentCreate(_ new: NewEnvironment) -> UInt64 {
    let (creator, index) = (current, new.index)
    makeEnvironment(index, quotas: new.block.quotas, sharing: new.shared, frames: new.frames)
    ResourceKind.forEach { charge(creator, $0, new.block.quotas[$0]) }
    charge(creator, .environments)
    environments[index].creatorPlusOne = creator &+ 1
    environments[index].account = environments[creator].account
    environments[index].name = new.block.name
    environments[index].pageAddress = new.page
    if let entry = new.entry {
      entry.value = pageEntry(frame: new.frames.page, rights: .read | .write)
      frames[new.frames.page].addReference()
    }
    fill(new.place, capabilities[self.slot(CapabilitySlot.own, of: index)])
    return environments[index].handle
  }

  /// Checks `CallNumber.environmentStart`.
  func decodeEnvironmentStart(
    slot: UInt64, environment handle: UInt64, entry: UInt64, stack: UInt64, position: UInt64
  ) throws(CallError) -> StartedEnvironment {
    let index = try environment(handle, slot: slot, .control)
    guard environments[index].state == EnvironmentState.created.rawValue else { throw .busy }
    guard entry < AddressMap.userEnd, stack <= AddressMap.userEnd else { throw .badAddress }
    guard hasRoom(index, .slices) else { throw .exhausted }
    guard let free = freeSlice(position) else { throw noSlice(position) }
    guard !owes(current, on: UInt32(truncatingIfNeeded: free &>> 8)) else { throw .again }
    let isMapped = frames[environments[index].environmentPage].references != 0
    return StartedEnvironment(
      index: index, entry: entry, stack: stack, position: free,
      mapping: isMapped ? nil : try emptyEntry(index, environments[index].pageAddress))
  }

  /// Lets the environment run. A table of its own gets the environment page now, at the latest: its creator has made
  /// the tables for it.
  func performEnvironmentStart(_ started: StartedEnvironment) {
    let index = started.index
    if let mapping = started.mapping {
      let page = environments[index].environmentPage
      mapping.value = pageEntry(frame: page, rights: .read | .write)
      frames[page].addReference()
    }
    environments[index].savedInstructionPointer = started.entry
    environments[index].savedStackPointer = started.stack
    environments[index].state = EnvironmentState.runnable.rawValue
    takeSlice(started.position, for: index, guardName: environments[index].guardName)
  }

  /// Checks `CallNumber.environmentDestroy`.
  public func decodeEnvironmentDestroy(slot: UInt64, environment handle: UInt64) throws(CallError) -> UInt32 {
    try environment(handle, slot: slot, .control)
  }

  /// Ends the environment; true where it was the caller, which runs no more. One that runs on another processor ends
  /// there, at its next entry into the kernel, which an interrupt brings about.
  public func performEnvironmentDestroy(_ index: UInt32) -> Bool {
    let processor = environments[index].processorPlusOne
    if processor != 0, processor != self.processor.value.index &+ 1 {
      kernelPrivate.value.destroyed |= 1 &<< UInt64(index)
      kernelPrivate.value.needsChores = 1
      hardware.interrupt(processor: processor &- 1)
      return false
    }
    end(index, status: 0)
    return index == current || processor != 0
  }

  /// Ends the environments that somebody destroyed while another processor ran them: those that run here, or nowhere
  /// any more.
  public func endDestroyed() {
    var rest = kernelPrivate.value.destroyed
    while rest != 0 {
      let index = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      let processor = environments[index].processorPlusOne
      if processor == 0 || processor == self.processor.value.index &+ 1 { end(index, status: 0) }
    }
  }

  /// Checks `CallNumber.environmentGuard`.
  func decodeEnvironmentGuard(slot: UInt64, environment handle: UInt64, name: UInt64, length: UInt64)
    throws(CallError) -> (index: UInt32, guardName: UInt64)
  {
    let index = try environment(handle, slot: slot, .control)
    let name = try guardArgument(name: name, length: length, try presented(slot), .control)
    return (index, name.guardName)
  }

  /// Gives the environment its new guard.
  func performEnvironmentGuard(_ decoded: (index: UInt32, guardName: UInt64)) {
    environments[decoded.index].guardName = decoded.guardName
  }

  /// Checks `CallNumber.quotaMove`.
  func decodeQuotaMove(slot: UInt64, environment handle: UInt64, kind: UInt64, amount: UInt64) throws(CallError) -> (
    index: UInt32, kind: ResourceKind, amount: UInt32
  ) {
    let index = try environment(handle, slot: slot, .control)
    guard let kind = ResourceKind(rawValue: kind) else { throw .badArgument }
    // Only between a creator and what it made: so a quota always goes back the way it came.
    guard environments[index].creatorPlusOne == current &+ 1 else { throw .notPermitted }
    let given = environments[index].quotas[kind]
    let mine = environments[current].quotas[kind]
    let change = Int64(bitPattern: amount)
    guard change > -(1 << 31), change < 1 << 31 else { throw .badArgument }
    let part = UInt32(truncatingIfNeeded: change)
    if change >= 0 {
      guard mine.used <= mine.limit, part <= mine.limit &- mine.used, part <= UInt32.max &- given.limit else {
        throw .exhausted
      }
    } else {
      guard given.used <= given.limit, 0 &- part <= given.limit &- given.used else { throw .exhausted }
    }
    return (index, kind, part)
  }

  /// Moves the amount, modulo 2^32: a negative one comes back.
  func performQuotaMove(_ decoded: (index: UInt32, kind: ResourceKind, amount: UInt32)) {
    charge(current, decoded.kind, decoded.amount)
    environments[decoded.index].quotas[decoded.kind].limit &+= decoded.amount
  }
}
