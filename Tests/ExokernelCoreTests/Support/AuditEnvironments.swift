import ExokernelABI

@testable import ExokernelCore

// Environments, what they may own, what they hold, and where they run.
extension Audit {
  /// Positions belong to living environments, and the processors' words say which are taken.
  mutating func checkSlices() {
    for processor in 0..<UInt32(BooksLayout.processors) {
      let taken = processor < header.processorCount ? world.kernel.processor(processor).value.slicesTaken : 0
      for position in 0..<UInt32(BooksLayout.slices) {
        let record = world.kernel.slices[processor * 64 + position]
        if taken >> UInt64(position) & 1 != (record.ownerPlusOne == 0 ? 0 : 1) {
          faults.append("slice \(processor):\(position) of \(record.ownerPlusOne)")
        }
        checkNode(processor, position, taken, record)
        if record.ownerPlusOne == 0, record.guardName != 0 {
          faults.append("free slice \(processor):\(position) has a guard")
        }
        if record.ownerPlusOne != 0, !isAlive(Int(record.ownerPlusOne) - 1) {
          faults.append("slice \(processor):\(position) is a dead one's")
        }
      }
    }
  }

  /// The scheduler's nodes lead from each position to the next one that is taken, and to its owner's record.
  private mutating func checkNode(_ processor: UInt32, _ position: UInt32, _ taken: UInt64, _ record: SliceRecord) {
    guard processor < header.processorCount else { return }
    let node = world.kernel.sliceNodes[processor * 64 + position]
    let next = (1...64).map { (position + $0) % 64 }.first { taken >> UInt64($0) & 1 != 0 }
    let expected = next.map { world.kernel.sliceNodes.cell(at: processor * 64 + $0).address }
    // Before the first position is taken, nodes are zero.
    if node.next != expected ?? world.kernel.nobodysNode.address, taken != 0 || node.next != 0 {
      faults.append("slice \(processor):\(position) leads to another than the next one")
    }
    guard record.ownerPlusOne != 0 else { return }
    let owner = record.ownerPlusOne - 1
    if node.record != world.kernel.environments.cell(at: owner).address
      || node.turn != UInt64(owner) << 32 | UInt64(position)
    {
      faults.append("slice \(processor):\(position) leads to another than its owner \(owner)")
    }
  }

  /// What is told as used is what a scan finds and what was given to the environments that it made.
  mutating func checkQuotas() {
    var found = [[UInt32]](repeating: Array(repeating: 0, count: 6), count: all.count)
    for environment in all { found[environment][0] = ownedFrames[environment] }
    for slice in 0..<UInt32(256) where world.kernel.slices[slice].ownerPlusOne != 0 {
      found[Int(world.kernel.slices[slice].ownerPlusOne) - 1][1] += 1
    }
    for filter in 0..<UInt32(BooksLayout.filters) where world.kernel.filters[filter].ownerPlusOne != 0 {
      found[Int(world.kernel.filters[filter].ownerPlusOne) - 1][2] += 1
    }
    for extent in 0..<UInt32(BooksLayout.extents) where world.kernel.extents[extent].count != 0 {
      found[Int(world.kernel.extents[extent].owner)][3] += 1
    }
    for region in 0..<UInt32(BooksLayout.regions) where world.kernel.regions[region].ownerPlusOne != 0 {
      found[Int(world.kernel.regions[region].ownerPlusOne) - 1][5] += 1
    }
    for environment in all where !isFree(environment) && environments[environment].creatorPlusOne != 0 {
      let creator = Int(environments[environment].creatorPlusOne) - 1
      if isFree(creator) { faults.append("\(environment)'s creator \(creator) is gone") }
      for kind in 0..<6 { found[creator][kind] += environments[environment].quotas.values[kind].limit }
      found[creator][4] += 1
    }
    for environment in all {
      for kind in 0..<6 {
        let quota = environments[environment].quotas.values[kind]
        if quota.used != found[environment][kind] {
          faults.append("\(environment) uses \(found[environment][kind]) of kind \(kind), told are \(quota.used)")
        }
        if quota.used > quota.limit, !isFree(environment) {
          faults.append("\(environment) uses \(quota.used) of kind \(kind), and may \(quota.limit)")
        }
      }
    }
  }

  /// States, and what they go with.
  mutating func checkEnvironments() {
    for environment in all {
      let record = environments[environment]
      let bit: UInt64 = 1 << UInt64(environment)
      if record.state > EnvironmentState.created.rawValue { faults.append("\(environment): state \(record.state)") }
      if record.generation > Handle.generations { faults.append("\(environment): generation \(record.generation)") }
      if !isAlive(environment), (own.asked | own.destroyed) & bit != 0 {
        faults.append("\(environment) is dead, and asked or destroyed")
      }
      if (own.asked & bit != 0) != (world.kernel.revocations[UInt32(environment)].count != 0) {
        faults.append("\(environment): a request for \(world.kernel.revocations[UInt32(environment)].count)")
      }
      if own.reaping & bit != 0, record.state != EnvironmentState.ended.rawValue {
        faults.append("\(environment) is taken back in state \(record.state)")
      }
      if record.state == EnvironmentState.ended.rawValue, own.reaping & bit == 0,
        !all.contains(where: { ($0 != environment) && !isFree($0) && environments[$0].rootTable == record.rootTable })
      {
        faults.append("\(environment) has ended, and nobody takes it back")
      }
      guard isAlive(environment) else { continue }
      if frames[Int(record.environmentPage)].kind != FrameKind.environmentPage.rawValue {
        faults.append("\(environment): environment page \(record.environmentPage)")
      }
      if record.state == EnvironmentState.calling.rawValue { checkAwaited(environment, record) }
      for entry in [
        record.faultEntry, record.epilogueEntry, record.prologueEntry, record.revocationEntry, record.transferEntry,
      ] where entry >= AddressMap.userEnd {
        faults.append("\(environment): entry \(entry)")
      }
    }
    let alive = all.filter { isAlive($0) }.count
    if UInt32(alive) != header.liveEnvironments {
      faults.append("\(alive) live environments, not \(header.liveEnvironments)")
    }
  }

  private mutating func checkAwaited(_ environment: Int, _ record: EnvironmentRecord) {
    let awaited = Int(record.awaited & 0xff)
    if awaited >= all.count || !isAlive(awaited) || UInt64(environments[awaited].generation) != record.awaited >> 8 {
      faults.append("\(environment) waits for \(record.awaited)")
    }
  }

  /// Capabilities are well formed and living environments'; slots that are full accept nothing.
  mutating func checkCapabilities() {
    for environment in all {
      for slot in 0..<Int(CapabilitySlot.count) {
        let place = UInt32(environment * Int(CapabilitySlot.count) + slot)
        let held = world.kernel.capabilities[place]
        let acceptance = world.kernel.acceptances[place]
        if held.rights.isEmpty {
          if held.name | held.mask | UInt64(held.length) != 0 { faults.append("empty slot \(environment):\(slot)") }
        } else {
          let mask: UInt64 = held.length == 0 ? 0 : ~0 << (64 - 8 * UInt64(held.length))
          if held.length > 8 || held.mask != mask || held.name & ~mask != 0 || held.rights.rawValue > 255 {
            faults.append("slot \(environment):\(slot): \(held)")
          }
          if acceptance != Handle.none { faults.append("full slot \(environment):\(slot) accepts another") }
        }
        if !isAlive(environment), !held.rights.isEmpty || acceptance != Handle.none {
          faults.append("dead \(environment) has slot \(slot)")
        }
      }
    }
  }

  /// Nobody runs twice, and who runs has its own page table in force.
  mutating func checkProcessors() {
    if own.needsChores == 0, world.kernel.hasChores || own.moreReceived != 0 {
      faults.append("there is something to do, and nobody is told to look")
    }
    for index in 0..<header.processorCount {
      let state = world.kernel.processor(index).value
      let root = world.machine.processors[Int(index)].root
      if state.index != index { faults.append("processor \(index) thinks it is \(state.index)") }
      if root != state.activeRoot { faults.append("processor \(index) uses another page table than it is told") }
      if world.kernel.processors[index].slicesTaken != state.slicesTaken {
        faults.append("processor \(index) has positions \(state.slicesTaken), told are others")
      }
      let isRoot = all.contains { isAlive($0) && UInt64(environments[$0].rootTable) << 12 == root }
      if root != FakeMachine.Place.template, !isRoot {
        faults.append("processor \(index) uses the page table \(root), which is nobody's")
      }
    }
    for environment in all where environments[environment].processorPlusOne != 0 {
      let processor = environments[environment].processorPlusOne - 1
      guard processor < header.processorCount else {
        faults.append("\(environment) runs on processor \(processor)")
        continue
      }
      let state = world.kernel.processor(processor).value
      if Int(state.environment) != environment
        || state.record != world.kernel.environments.cell(at: UInt32(environment)).address
        || state.activeRoot != UInt64(environments[environment].rootTable) << 12
        || environments[environment].state != EnvironmentState.runnable.rawValue
      {
        faults.append("\(environment) runs on processor \(processor), which does something else")
      }
    }
  }

  /// Extents, filters and regions are living environments', and their generations are not used up twice.
  mutating func checkBindings() {
    for extent in 0..<UInt32(BooksLayout.extents) {
      let record = world.kernel.extents[extent]
      if record.generation > Handle.generations { faults.append("extent \(extent): generation") }
      guard record.count != 0 else { continue }
      if !isAlive(Int(record.owner)) { faults.append("extent \(extent) is a dead one's") }
      let disk = world.kernel.disks[UInt32(record.disk)]
      if record.first + record.count > disk.blocks { faults.append("extent \(extent) passes the disk's end") }
    }
    for filter in 0..<UInt32(BooksLayout.filters) {
      let record = world.kernel.filters[filter]
      if record.generation > Handle.generations { faults.append("filter \(filter): generation") }
      if record.ownerPlusOne != 0, !isAlive(Int(record.ownerPlusOne) - 1) {
        faults.append("filter \(filter) is a dead one's")
      }
    }
    for region in 0..<UInt32(BooksLayout.regions) {
      let record = world.kernel.regions[region]
      if record.generation > Handle.generations { faults.append("region \(region): generation") }
      if record.ownerPlusOne != 0, !isAlive(Int(record.ownerPlusOne) - 1) {
        faults.append("region \(region) is a dead one's")
      }
    }
  }
}
