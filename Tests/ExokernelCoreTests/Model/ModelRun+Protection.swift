import ExokernelABI

@testable import ExokernelCore

// Calls on capabilities, environments, quotas and regions.
extension ModelRun {
  func protectionCall() {
    switch generator.next() % 24 {
    case 0...3: derive()
    case 4...5: accept()
    case 6...8: grant()
    case 9: drop()
    case 10: if chance(8) { destroyCapabilities() }
    case 11...12: create()
    case 13...14: startEnvironment()
    case 15...16: if chance(2) { destroyEnvironment() }
    case 17: guardEnvironment()
    case 18...20: moveQuota()
    case 21: revoke()
    default: spawn()
    }
  }

  private func derive() {
    let (slot, into, name) = (slot(), emptySlot(), name())
    let rights = chance(4) ? generator.next() & 0xffff_ffff : generator.next() & 0xff
    let result = kernel.capabilityDerive(
      slot: slot, into: into, name: name.bytes, length: name.length, rights: rights)
    guard call(.capabilityDerive, result) != nil else { return }
    let new = Name(name.bytes, length: name.length, rights: UInt32(rights))
    model.require(rights != 0, "capabilityDerive of nothing")
    model.require(current, slot, new.rights, over: new, "capabilityDerive")
    fill(current, into, new, "capabilityDerive")
  }

  private func fill(_ environment: Int, _ slot: UInt64, _ name: Name, _ call: String) {
    model.require(model.environments[environment].capabilities[Int(slot)] == nil, "\(call) into a full slot")
    model.environments[environment].capabilities[Int(slot)] = name
    model.environments[environment].acceptances[Int(slot)] = 0
  }

  private func accept() {
    let (slot, giver) = (emptySlot(), chance(5) ? 0 : environment())
    guard call(.capabilityAccept, kernel.capabilityAccept(slot: slot, environment: giver)) != nil else { return }
    model.require(model.environments[current].capabilities[Int(slot)] == nil, "capabilityAccept for a full slot")
    model.require(giver == 0 || model.index(giver) != nil, "capabilityAccept from nobody")
    model.environments[current].acceptances[Int(slot)] = giver
  }

  private func grant() {
    let me = current
    let handle = model.environments[me].handle
    var (receiver, into) = (environment(), emptySlot())
    // Often somebody who waits for it.
    if !chance(4) {
      for index in 0..<64 {
        guard let slot = model.environments[index].acceptances.firstIndex(of: handle) else { continue }
        (receiver, into) = (model.environments[index].handle, UInt64(slot))
        break
      }
    }
    let slot = slot()
    let rights = generator.next() & 0x1ff
    let result = kernel.capabilityGrant(slot: slot, environment: receiver, into: into, rights: rights)
    guard call(.capabilityGrant, result) != nil else { return }
    let held = model.capability(me, slot) ?? Name()
    model.require(held.rights & Rights.grant.rawValue != 0, "capabilityGrant without the right")
    guard let index = model.index(receiver) else { return model.require(false, "capabilityGrant to nobody") }
    model.require(model.environments[index].acceptances[Int(into)] == handle, "capabilityGrant that nobody accepts")
    fill(index, into, Name(held.bytes, length: held.length, rights: held.rights & UInt32(rights)), "capabilityGrant")
  }

  private func drop() {
    let slot = chance(10) ? slot() : random(4..<16)
    guard call(.capabilityDrop, kernel.capabilityDrop(slot: slot)) != nil else { return }
    model.require(model.capability(current, slot) != nil, "capabilityDrop of nothing")
    model.environments[current].capabilities[Int(slot)] = nil
  }

  private func destroyCapabilities() {
    let (slot, name) = (slot(), name())
    let result = kernel.capabilityDestroy(slot: slot, name: name.bytes, length: name.length)
    guard let count = call(.capabilityDestroy, result) else { return }
    let gone = Name(name.bytes, length: name.length)
    model.require(current, slot, Rights.revoke.rawValue, over: gone, "capabilityDestroy")
    var found: UInt64 = 0
    for index in 0..<64 where model.environments[index].life != 0 {
      for other in 0..<16 where index != current || other != Int(slot) {
        guard let held = model.environments[index].capabilities[other], gone.dominates(held, 0) else { continue }
        model.environments[index].capabilities[other] = nil
        found += 1
      }
    }
    model.require(found == count, "capabilityDestroy of \(count), not \(found)")
  }

  private func create() {
    var block = CreationBlock()
    let room = kernel.environments[kernel.current].quotas
    block.quotas = Quotas(frames: 2)
    let most = UInt64(room[.frames].limit &- room[.frames].used)
    block.quotas[.frames] = UInt32(random(0..<max(most / 2, 60)))
    for kind in 1..<6 where chance(2) { block.quotas.values[kind] = UInt32(generator.next() % 4) }
    if chance(3) { block.pageAddress = address() }
    if chance(3) {
      block.sharedTable = chance(2) ? Handle.own : environment()
      block.sharedTableSlot = slot()
    }
    _ = create(block, slot: slot(), into: emptySlot())
  }

  /// The handle of a new environment.
  private func create(_ block: CreationBlock, slot: UInt64, into: UInt64) -> UInt64? {
    let me = current
    machine.put(world.pageAddress(UInt32(me)) + EnvironmentPage.creationBlockOffset, block)
    let result = kernel.environmentCreate(slot: slot, into: into)
    guard let handle = call(.environmentCreate, result) else { return nil }
    let held = model.capability(me, slot) ?? Name()
    model.require(held.rights & 8 != 0, "environmentCreate without the right")
    let index = model.began(
      handle, kernel.environments[UInt32(handle & 0xff)], creator: model.environments[me].life)
    for kind in 0..<6 {
      let limit = model.environments[index].limits[kind]
      model.require(limit == block.quotas.values[kind], "environmentCreate: quota \(kind)")
    }
    let own = model.environments[index].capabilities[0]!
    fill(me, into, own, "environmentCreate")
    guard block.sharedTable != 0 else { return handle }
    let other = block.sharedTable == Handle.own ? me : model.index(block.sharedTable)
    guard let other else {
      model.require(false, "environmentCreate with nobody's page table")
      return handle
    }
    if block.sharedTable != Handle.own {
      model.require(
        me, block.sharedTableSlot, Rights.control.rawValue, over: model.environments[other].name, "environmentCreate")
    }
    let new = model.environments[index]
    model.require(new.root == model.environments[other].root, "environmentCreate with another page table")
    model.map(new.root, new.pageAddress, new.page, 3, "environmentCreate")
    return handle
  }

  private func startEnvironment() {
    let (handle, slot) = chance(6) ? (environment(), slot()) : child() ?? (environment(), slot())
    start(handle, slot, chance(2) ? CallNumber.any : random(0..<3) << 8 | random(0..<66))
  }

  private func start(_ handle: UInt64, _ slot: UInt64, _ position: UInt64) {
    let before = model.slices
    let result = kernel.environmentStart(
      slot: slot, environment: handle, entry: 0x40_0000, stack: 0x5f_0000, position: position)
    guard call(.environmentStart, result) != nil else { return }
    guard let index = model.index(handle) else { return model.require(false, "environmentStart of nobody") }
    let new = model.environments[index]
    model.require(current, slot, Rights.control.rawValue, over: new.name, "environmentStart")
    model.require(!new.isStarted, "environmentStart a second time")
    model.environments[index].isStarted = true
    if model.mappings[new.root]?[new.pageAddress]?.frame != new.page {
      model.map(new.root, new.pageAddress, new.page, 3, "environmentStart")
    }
    let place =
      position == CallNumber.any
      ? before.indices.first {
        before[$0].owner == 0 && kernel.slices[UInt32($0)].ownerPlusOne == UInt32(index) + 1
      } : Int(position >> 8 * 64 + position & 0xff)
    guard let place else { return model.require(false, "environmentStart without a position") }
    model.require(before[place].owner == 0, "environmentStart on a position that is taken")
    model.slices[place] = (new.life, new.name)
  }

  private func destroyEnvironment() {
    let (handle, slot) = chance(3) ? (environment(), slot()) : child() ?? (environment(), slot())
    let me = current
    do throws(CallError) {
      let isOver = try kernel.environmentDestroy(slot: slot, environment: handle)
      _ = call(.environmentDestroy, .success)
      guard let index = model.index(handle) else { return model.require(false, "environmentDestroy of nobody") }
      model.require(me, slot, Rights.control.rawValue, over: model.environments[index].name, "environmentDestroy")
      if kernel.kernelPrivate.value.destroyed >> UInt64(index) & 1 != 0 {
        model.environments[index].isDoomed = true
      } else {
        model.ended(index)
        ended += 1
      }
      if isOver { next() }
    } catch {
      _ = call(.environmentDestroy, kernel.refuse(error))
    }
  }

  /// Those that were destroyed from another processor have ended where the kernel says so, and have to where they run
  /// nowhere else.
  func noteDoomed() {
    for index in 0..<64 where model.environments[index].isDoomed {
      let record = kernel.environments[UInt32(index)]
      if record.state == EnvironmentState.ended.rawValue || record.state == EnvironmentState.free.rawValue {
        model.ended(index)
        ended += 1
      } else {
        model.require(
          record.processorPlusOne != 0 && record.processorPlusOne != machine.processor + 1, "life after the end")
      }
    }
  }

  private func guardEnvironment() {
    let (slot, handle, name) = (slot(), environment(), name())
    let result = kernel.environmentGuard(slot: slot, environment: handle, name: name.bytes, length: name.length)
    guard call(.environmentGuard, result) != nil else { return }
    guard let index = model.index(handle) else { return model.require(false, "environmentGuard of nobody") }
    let new = Name(name.bytes, length: name.length)
    model.require(current, slot, Rights.control.rawValue, over: model.environments[index].name, "environmentGuard")
    model.require(current, slot, Rights.control.rawValue, over: new, "environmentGuard")
    model.environments[index].name = new
  }

  private func moveQuota() {
    let (handle, slot) = chance(5) ? (environment(), slot()) : child() ?? (environment(), slot())
    let kind = random(0..<7)
    let amount = chance(10) ? pick([.max, 1 << 31, 1 << 32, 1 << 63]) : random(0..<40) &- 20
    let result = kernel.quotaMove(slot: slot, environment: handle, kind: kind, amount: amount)
    guard call(.quotaMove, result) != nil else { return }
    guard let index = model.index(handle) else { return model.require(false, "quotaMove to nobody") }
    model.require(current, slot, Rights.control.rawValue, over: model.environments[index].name, "quotaMove")
    model.require(
      model.environments[index].creator == model.environments[current].life, "quotaMove to what another made")
    model.environments[index].limits[Int(kind)] &+= UInt32(truncatingIfNeeded: amount)
  }

  private func revoke() {
    let (handle, slot) = chance(3) ? (environment(), slot()) : child() ?? (environment(), slot())
    let count = chance(12) ? pick([0, 65, 1 << 31]) : random(1..<9)
    let deadline = chance(2) ? machine.now + random(0..<3000) : 0
    let result = kernel.revoke(
      slot: slot, environment: handle, kind: random(0..<4), count: count, deadline: deadline)
    guard call(.revoke, result) != nil else { return }
    guard let index = model.index(handle) else { return model.require(false, "revoke from nobody") }
    model.require(current, slot, Rights.revoke.rawValue, over: model.environments[index].name, "revoke")
  }

  /// Makes a child as a libOS does: page tables, memory, start.
  private func spawn() {
    guard model.environments.filter({ $0.life != 0 }).count < 20 else { return }
    var block = CreationBlock()
    block.quotas = Quotas(
      frames: 30, slices: UInt32(random(1..<4)), filters: UInt32(random(0..<2)), extents: 2, environments: 2,
      regions: 2)
    let slot = emptySlot()
    guard let handle = create(block, slot: 0, into: slot) else { return }
    let table = handle | slot << 32
    for level: UInt64 in [3, 2, 1] { install(0, CallNumber.any, AddressMap.environmentPage, level, table) }
    allocate(slot, 0x50_0000, random(1..<8), table)
    start(handle, slot, CallNumber.any)
  }
}
