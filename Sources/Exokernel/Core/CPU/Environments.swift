import ExokernelABI

/// Why an environment ended before it asked to.
public enum Cause: Sendable {
  /// An exception that the kernel does not hand to libOSes.
  case exception(vector: UInt64, code: UInt64)
  /// A page fault with nobody to serve it.
  case pageFault(address: UInt64, code: UInt64)
  /// A page fault while the last one had not been taken over.
  case nestedPageFault(address: UInt64, code: UInt64)
  /// It kept the CPU after the epilogue upcall, or never named an epilogue.
  case sliceOverrun
}

extension Kernel {
  /// A new environment with an empty address space and the first capabilities, not yet runnable. Only at boot; nil where records or
  /// frames are used up.
  public func createEnvironment(quota: UInt32) -> UInt32? {
    var index: UInt32 = 0
    while environments[index].state != EnvironmentState.free.rawValue {
      index &+= 1
      guard index < environments.count else { return nil }
    }
    guard quota >= 2 else { return nil }
    let name = CapabilityName.name(CapabilityName.environment, UInt64(index))
    forget(index)
    guard let root = takeFrame(nil, for: index, kind: .pageTable, guardName: name, guardLength: 2) else { return nil }
    guard let page = takeFrame(nil, for: index, kind: .environmentPage, guardName: name, guardLength: 2) else {
      returnFrame(root)
      return nil
    }
    frames[root].dirty = 1
    frames[page].dirty = 1
    environments[index].frameQuota = quota
    environments[index].rootTable = root
    environments[index].environmentPage = page
    let base = index &* UInt32(CapabilitySlot.count)
    capabilities[base &+ UInt32(CapabilitySlot.own)] = Capability(
      name: name, length: 2, rights: .read | .write | .execute | .allocate)
    let devices: Rights = .read | .write | .allocate
    capabilities[base &+ UInt32(CapabilitySlot.disks)] = Capability(
      name: CapabilityName.disk &<< 56, length: 1, rights: devices)
    capabilities[base &+ UInt32(CapabilitySlot.networks)] = Capability(
      name: CapabilityName.network &<< 56, length: 1, rights: devices)
    let physical = UInt64(root) &<< 12
    setTableEntry(physical, 254, tableEntry(machine.templateRoot, 254))
    setTableEntry(
      physical, AddressMap.recursiveSlot, physical | PageEntry.present | PageEntry.user | PageEntry.noExecute)
    setTableEntry(physical, 256, tableEntry(machine.templateRoot, 256))
    setTableEntry(physical, 511, tableEntry(machine.templateRoot, 511))
    self.page(of: index).value.environment = UInt64(index)
    environments[index].state = EnvironmentState.sleeping.rawValue
    header.value.liveEnvironments &+= 1
    return index
  }

  /// Empties a free record for its next use; memory arrives zeroed, so the first use has nothing to forget.
  private func forget(_ index: UInt32) {
    let generation = environments[index].generation
    if generation != 0 {
      let record = UInt64(index) &* UInt64(MemoryLayout<EnvironmentRecord>.stride)
      for word in 0..<UInt64(MemoryLayout<EnvironmentRecord>.size / 8) {
        // Safe: the record is that many words of the books.
        unsafe (machine.booksBase + Int(BooksLayout.environmentsOffset &+ record &+ word &* 8)).storeBytes(
          of: 0, as: UInt64.self)
      }
    }
    environments[index].generation = generation &+ 1
  }

  /// Lets an environment run, in the first free position of the slice vector.
  public func start(_ environment: UInt32, at entry: UInt64, stack: UInt64) {
    environments[environment].savedInstructionPointer = entry
    environments[environment].savedStackPointer = stack
    environments[environment].state = EnvironmentState.runnable.rawValue
    if let position = freeSlice() { takeSlice(position, for: environment) }
  }

  /// `CallNumber.exit`, and every other end: the environment runs no more and holds nothing but frames that go back in small steps.
  public func end(_ environment: UInt32, status: UInt32) {
    environments[environment].state = EnvironmentState.ended.rawValue
    environments[environment].exitStatus = status
    if status != 0, own.value.machineStatus == 0 { own.value.machineStatus = status }
    var taken = own.value.slicesTaken
    while taken != 0 {
      let position = UInt32(truncatingIfNeeded: taken.trailingZeroBitCount)
      taken &= taken &- 1
      if slices[position] == environment &+ 1 { dropSlice(position) }
    }
    for index in 0..<filters.count where filters[index].ownerPlusOne == environment &+ 1 { unbindFilter(index) }
    for index in 0..<extents.count where extents[index].count != 0 && extents[index].owner == environment {
      extents[index].count = 0
    }
    let base = environment &* UInt32(CapabilitySlot.count)
    for slot in 0..<UInt32(CapabilitySlot.count) { capabilities[base &+ slot] = .empty }
    header.value.liveEnvironments &-= 1
    own.value.reaping |= 1 &<< UInt64(environment)
    own.value.unmapped &= ~(1 &<< UInt64(environment))
    own.value.reaper.progress = 1
    if own.value.activeEnvironment == environment {
      machine.activate(root: machine.templateRoot)
      own.value.activeRoot = machine.templateRoot
      own.value.activeEnvironment = BooksLayout.noEnvironment
    }
    header.value.currentEnvironment = BooksLayout.noEnvironment
    own.value.epiloguePending = 0
  }
}
