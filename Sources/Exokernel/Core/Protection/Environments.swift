import ExokernelABI

/// Why an environment ended before it asked to.
public enum Cause: Sendable {
  /// An exception that the kernel does not hand to libOSes, or that a libOS could not serve.
  case exception(vector: UInt64, code: UInt64)
  /// A page fault with nobody to serve it.
  case pageFault(address: UInt64, code: UInt64)
  /// A page fault while the last one had not been taken over.
  case nestedPageFault(address: UInt64, code: UInt64)
  /// It kept the CPU after the epilogue upcall, or never named an epilogue.
  case sliceOverrun
}

/// The frames that every environment needs, found and on no list.
struct EnvironmentFrames {
  var page: UInt32
  /// Its root table; nil where it shares another one's.
  var root: UInt32?
}

/// Making environments. At boot the loader does, later programs do; both come through `makeEnvironment`.
extension Kernel {
  /// Finds the frames for an environment; nil where there are none. Nothing is changed then.
  func findEnvironmentFrames(sharing shared: UInt32?) -> EnvironmentFrames? {
    guard let page = findFrame(nil) else { return nil }
    guard shared == nil else { return EnvironmentFrames(page: page, root: nil) }
    guard let root = findFrame(nil) else {
      linkFree(page)
      return nil
    }
    return EnvironmentFrames(page: page, root: root)
  }

  /// A new environment with an empty address space, or one that shares the table of `shared`. Its frames are charged to
  /// it.
  func makeEnvironment(_ index: UInt32, quotas: Quotas, sharing shared: UInt32?, frames found: EnvironmentFrames) {
    let generation = Handle.next(after: environments[index].generation)
    forget(index)
    environments[index].handle = Handle.of(index, generation: generation)
    let capability = Capability(
      name: CapabilityName.environment(index, generation: generation), length: CapabilityName.environmentLength,
      rights: .all)
    let name = capability.guardName
    ResourceKind.forEach { environments[index].quotas[$0].limit = quotas[$0] }
    environments[index].guardName = name
    environments[index].acceptName = Self.nobody.name
    environments[index].acceptMask = Self.nobody.mask
    let identity = FrameIdentity(
      owner: UInt8(truncatingIfNeeded: index), kind: .environmentPage)
    give(found.page, identity, guardName: name)
    if let shared {
      let root = environments[shared].rootTable
      frames[root].addReference()
      environments[index].rootTable = root
      kernelPrivate.value.sharing |= 1 &<< UInt64(index) | 1 &<< UInt64(shared)
    } else if let root = found.root {
      give(root, FrameIdentity(owner: identity.owner, kind: .pageTable), guardName: name)
      frames[root].addReference()
      environments[index].rootTable = root
      fillRoot(UInt64(root) &<< 12)
    }
    environments[index].environmentPage = found.page
    environments[index].pageAddress = AddressMap.environmentPage
    capabilities[slot(CapabilitySlot.own, of: index)] = capability
    self.page(of: index).value.environment = UInt64(index)
    self.page(of: index).value.handle = environments[index].handle
    environments[index].state = EnvironmentState.created.rawValue
    header.value.liveEnvironments &+= 1
  }

  /// Puts the kernel's entries into a root table.
  private func fillRoot(_ root: UInt64) {
    setTableEntry(root, 254, tableEntry(hardware.templateRoot, 254))
    setTableEntry(root, AddressMap.recursiveSlot, root | PageEntry.present | PageEntry.user | PageEntry.noExecute)
    setTableEntry(root, 256, tableEntry(hardware.templateRoot, 256))
    setTableEntry(
      root, AddressMap.kernelRecursiveSlot, root | PageEntry.present | PageEntry.write | PageEntry.noExecute)
    setTableEntry(root, 511, tableEntry(hardware.templateRoot, 511))
  }

  /// Empties a free record for its next use; memory arrives zeroed, so the first use has nothing to forget.
  private func forget(_ index: UInt32) {
    guard environments[index].generation != 0 else { return }
    let record = UInt64(index) &* UInt64(MemoryLayout<EnvironmentRecord>.stride)
    for word in 0..<UInt64(MemoryLayout<EnvironmentRecord>.size / 8) {
      // Safe: the record is that many words of the books.
      unsafe (hardware.booksBase + Int(BooksLayout.environmentsOffset &+ record &+ word &* 8)).storeBytes(
        of: 0, as: UInt64.self)
    }
  }

  /// A new environment of a boot program, which may own whatever there is until `shareOut` has divided it.
  func createBootEnvironment() -> UInt32? {
    guard let index = environments.firstFree() else { return nil }
    guard let frames = findEnvironmentFrames(sharing: nil) else { return nil }
    var quotas = Quotas.machine
    quotas[.frames] = header.value.frameCount
    quotas[.slices] = UInt32(BooksLayout.slices * BooksLayout.processors)
    makeEnvironment(index, quotas: quotas, sharing: nil, frames: frames)
    environments[index].account = index
    let devices: Rights = .read | .write | .allocate | .grant
    capabilities[slot(CapabilitySlot.disks, of: index)] = Capability(
      name: CapabilityName.disk &<< 56, length: 1, rights: devices)
    capabilities[slot(CapabilitySlot.networks, of: index)] = Capability(
      name: CapabilityName.network &<< 56, length: 1, rights: devices)
    if kernelPrivate.value.hasFirst == 0 {
      kernelPrivate.value.hasFirst = 1
      capabilities[slot(CapabilitySlot.root, of: index)] = Capability(name: 0, length: 0, rights: .all)
    }
    return index
  }

  /// Divides the machine evenly among the programs that were started at boot, so that none can take what the others
  /// were promised.
  func shareOut() {
    let count = header.value.liveEnvironments
    guard count > 1 else { return }
    var totals = Quotas.machine
    totals[.frames] = header.value.largeFrontier &- header.value.firstFrame
    totals[.slices] = UInt32(BooksLayout.slices) &* header.value.processorCount
    // The records of environments that the programs themselves take are nobody's to promise.
    totals[.environments] &-= count
    var rest = count
    for index in 0..<environments.count {
      guard rest > 0 else { break }
      guard environments[index].state != EnvironmentState.free.rawValue else { continue }
      rest &-= 1
      ResourceKind.forEach { kind in
        let share = totals[kind] / count
        let used = environments[index].quotas[kind].used
        environments[index].quotas[kind].limit = share > used ? share : used
      }
    }
  }

  /// Lets an environment run, on the first free position of a slice vector.
  public func start(_ environment: UInt32, at entry: UInt64, stack: UInt64) {
    environments[environment].savedInstructionPointer = entry
    environments[environment].savedStackPointer = stack
    environments[environment].state = EnvironmentState.runnable.rawValue
    guard let position = freeSlice(CallNumber.any) else { return }
    takeSlice(
      position, for: environment, guardName: environments[environment].guardName)
  }
}
