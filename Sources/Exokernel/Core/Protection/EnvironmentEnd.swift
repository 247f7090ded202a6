import ExokernelABI

// The end of an environment, asked for or not.
extension Kernel {
  /// `CallNumber.exit`, and every other end: the environment runs no more and holds nothing but frames that go back in
  /// small steps. Bounded by the tables of slices, filters, extents, regions, environments and capabilities.
  public func end(_ environment: UInt32, status: UInt32) {
    let handle = environments[environment].handle
    closeConsoleBudget(of: environment)
    environments[environment].state = EnvironmentState.ended.rawValue
    environments[environment].exitStatus = status
    environments[environment].processorPlusOne = 0
    // The status of an environment that a program has made is that program's to judge, which finds it in the books.
    if status != 0, kernelPrivate.value.machineStatus == 0, environments[environment].creatorPlusOne == 0 {
      kernelPrivate.value.machineStatus = status
    }
    dropSlices(of: environment)
    for index in 0..<filters.count where filters[index].ownerPlusOne == environment &+ 1 { unbindFilter(index) }
    for index in 0..<extents.count where extents[index].count != 0 && extents[index].owner == environment {
      dropExtent(index)
    }
    leaveDevices(environment)
    for index in 0..<regions.count where regions[index].ownerPlusOne == environment &+ 1 { unbindRegion(index) }
    kernelPrivate.value.destroyed &= ~(1 &<< UInt64(environment))
    unbindPredicate(of: environment)
    dropRevocation(of: environment)
    revocations[environment].told = 0
    leaveSweep(environment)
    for slot in 0..<CapabilitySlot.count {
      capabilities[self.slot(slot, of: environment)] = .empty
      acceptances[self.slot(slot, of: environment)] = Handle.none
    }
    releaseCallers(of: handle)
    header.value.liveEnvironments &-= 1
    if processor.value.environment == environment {
      if processor.value.epiloguePending != 0 { chargeOverrun(until: hardware.timeStamp) }
      leaveProcessor()
    }
    passDebts(of: environment)
    // Others may run in its slice still, and pay for the end of it then.
    for index in 0..<header.value.processorCount
    where processor(index).value.sliceDebt == debts.cell(at: debtIndex(of: environment, on: index)).address {
      processor(index).value.sliceDebt = nobodysDebt
    }
    startReaping(environment)
  }

  /// Lets the frames of an ended environment go back. Where its page table is still another one's, that keeps its
  /// tables, and the frames that it maps: they go back when they are mapped no more.
  private func startReaping(_ environment: UInt32) {
    let root = environments[environment].rootTable
    let bit: UInt64 = 1 &<< UInt64(environment)
    frames[root].removeReference()
    kernelPrivate.value.reaping |= bit
    wakeReaper()
    if frames[root].references != 0 {
      unmapPage(of: environment)
      kernelPrivate.value.sharesTable |= bit
      kernelPrivate.value.unmapped |= bit
      return
    }
    kernelPrivate.value.unmapped &= ~bit
    // Those that shared it wait until it maps nothing any more, for the way there is through tables of theirs.
    for index in 0..<environments.count
    where environments[index].rootTable == root && kernelPrivate.value.sharesTable & 1 &<< UInt64(index) != 0 {
      kernelPrivate.value.reaping &= ~(1 &<< UInt64(index))
      kernelPrivate.value.sharesTable &= ~(1 &<< UInt64(index))
    }
  }

  /// Takes the page of an ended environment out of the page table that it shared.
  private func unmapPage(of environment: UInt32) {
    let address = environments[environment].pageAddress
    let page = environments[environment].environmentPage
    guard frames[page].references != 0, let place = unsafe entryElsewhere(environment, address) else { return }
    // Safe: the walk vouches for the entry.
    unsafe place.pointee = 0
    // Nobody but its own environment maps an environment page.
    frames[page].removeReference()
    let root = rootTable(of: environment)
    if processor.value.activeRoot == root { hardware.invalidate(page: address) }
    if header.value.processorCount > 1 { forgetElsewhere(root) }
  }

  /// The page table of an ended environment maps nothing any more: those that shared it and ended before follow.
  func startReapingSharers(of environment: UInt32) {
    let root = environments[environment].rootTable
    for index in 0..<environments.count
    where index != environment && environments[index].state == EnvironmentState.ended.rawValue
      && environments[index].rootTable == root
    {
      kernelPrivate.value.reaping |= 1 &<< UInt64(index)
      kernelPrivate.value.unmapped |= 1 &<< UInt64(index)
      wakeReaper()
    }
  }

  /// The last frame of an ended environment is gone: makes its record free. What it was allowed to own is its creator's
  /// again, and so are the environments that it made.
  func freeRecord(_ environment: UInt32) {
    // What those that it made have left to it since it ended.
    passDebts(of: environment)
    let creatorPlusOne = environments[environment].creatorPlusOne
    var inherited = Quotas()
    for index in 0..<environments.count
    where environments[index].creatorPlusOne == environment &+ 1
      && environments[index].state != EnvironmentState.free.rawValue
    {
      environments[index].creatorPlusOne = creatorPlusOne
      ResourceKind.forEach { inherited[$0] &+= environments[index].quotas[$0].limit }
      inherited[.environments] &+= 1
    }
    if creatorPlusOne != 0 {
      let creator = creatorPlusOne &- 1
      ResourceKind.forEach { kind in
        environments[creator].quotas[kind].used &-= environments[environment].quotas[kind].limit &- inherited[kind]
      }
      discharge(creator, .environments)
    }
    environments[environment].quotas = PerResource(repeating: Quota(limit: 0, used: 0))
    environments[environment].creatorPlusOne = 0
    environments[environment].state = EnvironmentState.free.rawValue
  }
}
