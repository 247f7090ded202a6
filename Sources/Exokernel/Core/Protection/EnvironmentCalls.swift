import ExokernelABI

// Environments made by programs.
extension Kernel {
  /// `CallNumber.environmentCreate`.
  public func environmentCreate(slot: UInt64, into: UInt64) -> CallResult {
    guard let presented = capability(slot) else { return refuse(.noSuchCapability) }
    guard presented.rights.contains(.allocate) else { return refuse(.notPermitted) }
    let creator = current
    // Safe: the block is inside the environment page; it is copied before it is looked at.
    let block = unsafe hardware.memory(
      at: UInt64(environments[creator].environmentPage) &<< 12 &+ EnvironmentPage.creationBlockOffset
    ).loadUnaligned(as: CreationBlock.self)
    do throws(CallError) {
      let place = try emptySlot(into)
      let page = block.pageAddress == 0 ? AddressMap.environmentPage : block.pageAddress
      guard isMappable(page), !isReserved(page) else { throw .badAddress }
      var shared: UInt32?
      var entry: UnsafeMutablePointer<UInt64>?
      if block.sharedTable != 0 {
        let other =
          block.sharedTable == Handle.own
          ? creator : try environment(block.sharedTable, slot: block.sharedTableSlot, .control)
        unsafe entry = entryPlace(other, page)
        guard let found = unsafe entry else { throw .noPageTable }
        guard unsafe found.pointee & PageEntry.present == 0 else { throw .busy }
        shared = other
      }
      // The environment's own two frames, or the one page where the table is shared, are the least.
      guard block.quotas[0] >= (shared == nil ? 2 : 1) else { throw .badArgument }
      for kind in 0..<6 {
        let quota = environments[creator].quotas[kind]
        let wanted = UInt64(block.quotas[kind]) &+ (kind == Int(ResourceKind.environments.rawValue) ? 1 : 0)
        guard UInt64(quota.used) &+ wanted <= UInt64(quota.limit) else { throw .exhausted }
      }
      guard header.value.freeFrames >= 2, let index = environments.firstFree() else { throw .exhausted }

      guard makeEnvironment(index, quotas: block.quotas, sharing: shared) else { throw .again }
      for kind in 0..<6 { environments[creator].quotas[kind].used &+= block.quotas[kind] }
      charge(creator, .environments)
      environments[index].creatorPlusOne = creator &+ 1
      environments[index].name = block.name
      environments[index].pageAddress = page
      if let entry = unsafe entry {
        unsafe entry.pointee = pageEntry(frame: environments[index].environmentPage, rights: .read | .write)
        frames[environments[index].environmentPage].addReference()
      }
      fill(place, capabilities[self.slot(CapabilitySlot.own, of: index)])
      return CallResult(environments[index].handle)
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.environmentStart`. A table of its own gets the environment page now, at the latest: its creator has made the tables for it.
  public func environmentStart(slot: UInt64, environment handle: UInt64, entry: UInt64, stack: UInt64, position: UInt64)
    -> CallResult
  {
    do throws(CallError) {
      let index = try environment(handle, slot: slot, .control)
      guard environments[index].state == EnvironmentState.created.rawValue else { throw .busy }
      guard entry < AddressMap.userEnd, stack <= AddressMap.userEnd else { throw .badAddress }
      guard hasRoom(index, .slices) else { throw .exhausted }
      guard let place = freeSlice(position) else { throw noSlice(position) }
      let page = environments[index].environmentPage
      if frames[page].references == 0 {
        guard let mapping = unsafe entryPlace(index, environments[index].pageAddress) else { throw .noPageTable }
        guard unsafe mapping.pointee & PageEntry.present == 0 else { throw .busy }
        unsafe mapping.pointee = pageEntry(frame: page, rights: .read | .write)
        frames[page].addReference()
      }
      environments[index].savedInstructionPointer = entry
      environments[index].savedStackPointer = stack
      environments[index].state = EnvironmentState.runnable.rawValue
      takeSlice(place, for: index, guardName: environments[index].guardName)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.environmentDestroy`: true where it was the caller, which runs no more. One that runs on another processor ends there, at
  /// its next entry into the kernel, which an interrupt brings about.
  public func environmentDestroy(slot: UInt64, environment handle: UInt64) throws(CallError) -> Bool {
    let index = try environment(handle, slot: slot, .control)
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

  /// Ends the environments that somebody destroyed while another processor ran them: those that run here, or nowhere any more.
  public func endDestroyed() {
    var rest = kernelPrivate.value.destroyed
    while rest != 0 {
      let index = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      let processor = environments[index].processorPlusOne
      if processor == 0 || processor == self.processor.value.index &+ 1 { end(index, status: 0) }
    }
  }

  /// `CallNumber.environmentGuard`.
  public func environmentGuard(slot: UInt64, environment handle: UInt64, name: UInt64, length: UInt64) -> CallResult {
    do throws(CallError) {
      let index = try environment(handle, slot: slot, .control)
      guard length <= 8 else { throw .badArgument }
      let wanted = Capability(name: name, length: UInt32(truncatingIfNeeded: length), rights: .none)
      guard wanted.isValid else { throw .badArgument }
      if let error = refusal(slot, .control, guardName: wanted.guardName) { throw error }
      environments[index].guardName = wanted.guardName
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.quotaMove`.
  public func quotaMove(slot: UInt64, environment handle: UInt64, kind: UInt64, amount: UInt64) -> CallResult {
    do throws(CallError) {
      let index = try environment(handle, slot: slot, .control)
      guard kind < 6 else { throw .badArgument }
      // Only between a creator and what it made: so a quota always goes back the way it came.
      guard environments[index].creatorPlusOne == current &+ 1 else { throw .notPermitted }
      let which = Int(truncatingIfNeeded: kind)
      let given = environments[index].quotas[which]
      let mine = environments[current].quotas[which]
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
      environments[current].quotas[which].used &+= part
      environments[index].quotas[which].limit &+= part
      return .success
    } catch {
      return refuse(error)
    }
  }
}
