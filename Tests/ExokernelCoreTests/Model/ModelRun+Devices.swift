import ExokernelABI

@testable import ExokernelCore

// Calls on devices, the devices themselves, and stray stores.
extension ModelRun {
  func diskCall() {
    let slot = chance(3) ? slot() : CapabilitySlot.disks
    switch generator.next() % 8 {
    case 0:
      let first = chance(8) ? pick([255, 256, .max]) : random(0..<200)
      let (count, rights) = (random(0..<60), random(0..<5))
      let result = kernel.extentBind(
        slot: slot, disk: chance(10) ? pick([1, .max]) : 0, first: first, count: count, rights: rights)
      guard let handle = call(.extentBind, result) else { return }
      let name = Name(CapabilityName.name(CapabilityName.disk, 0), length: 2)
      model.require(current, slot, UInt32(rights & 3), over: name, "extentBind")
      model.require(model.extents[handle] == nil && first + count <= 256, "extentBind past the disk's end")
      let me = model.environments[current]
      model.extents[handle] = (me.life, me.name, rights & 3, count)
    case 1:
      let (handle, slot) = (extent(), self.slot())
      guard chance(2), call(.extentUnbind, kernel.extentUnbind(slot: slot, extent: handle)) != nil else { return }
      model.require(current, slot, 8, over: model.extents[handle]?.name ?? Name(), "extentUnbind")
      model.extents[handle] = nil
    default: submit()
    }
  }

  private func extent() -> UInt64 {
    chance(8) ? random(0..<0x240) : model.extents.keys.sorted().randomElement(using: &generator) ?? 0
  }

  private func submit() {
    let (slot, handle, frame) = (slot() & 0xffff_ffff, extent(), frame())
    let block = chance(10) ? .max - random(0..<9) : random(0..<60)
    let count = random(0..<10)
    let isWrite = chance(2)
    if chance(6) { return flush(slot, handle) }
    let result = kernel.blockSubmit(
      slot: slot, extent: handle, block: block, frame: frame, operation: count | (isWrite ? 1 << 32 : 0),
      tag: chance(20) ? 64 : random(0..<64))
    guard call(.blockSubmit, result) != nil else { return }
    guard let extent = model.extents[handle] else { return model.require(false, "blockSubmit to no extent") }
    model.require(current, slot, isWrite ? 2 : 1, over: extent.name, "blockSubmit")
    model.require(extent.rights & (isWrite ? 2 : 1) != 0, "blockSubmit beyond the extent's rights")
    model.require(block + count <= extent.count, "blockSubmit past the extent's end")
    model.require(
      model.frames[Int(frame)].owner == model.environments[current].life, "blockSubmit to another's frame")
  }

  private func flush(_ slot: UInt64, _ handle: UInt64) {
    let result = kernel.diskFlush(slot: slot, extent: handle, tag: chance(20) ? 64 : random(0..<64))
    guard call(.diskFlush, result) != nil else { return }
    guard let extent = model.extents[handle] else { return model.require(false, "diskFlush of no extent") }
    model.require(current, slot, 2, over: extent.name, "diskFlush")
    model.require(extent.rights & 2 != 0, "diskFlush beyond the extent's rights")
  }

  func networkCall() {
    switch generator.next() % 8 {
    case 0: bindFilter()
    case 1:
      let handle = chance(5) ? random(0..<0x120) : model.filters.keys.sorted().randomElement(using: &generator) ?? 0
      let slot = slot()
      guard call(.filterUnbind, kernel.filterUnbind(slot: slot, filter: handle)) != nil else { return }
      model.require(current, slot, 8, over: model.filters[handle]?.name ?? Name(), "filterUnbind")
      model.filters[handle] = nil
    default:
      let pieces = (0..<(chance(20) ? 19 : random(0..<6))).map { _ in
        SendPiece(
          frame: UInt32(truncatingIfNeeded: frame()), offset: UInt16(random(0..<4100)), length: UInt16(random(0..<2000))
        )
      }
      let result = world.send(
        kernel.current, pieces, slot: chance(10) ? slot() : CapabilitySlot.networks, interface: chance(20) ? 1 : 0)
      guard call(.packetSend, result) != nil else { return }
      for piece in pieces {
        model.require(
          model.frames[Int(piece.frame)].owner == model.environments[current].life, "packetSend of another's frame")
      }
    }
  }

  private func isOwn(_ frame: UInt64) -> Bool {
    frame < UInt64(model.frames.count) && model.frames[Int(frame)].kind == .memory
      && model.frames[Int(frame)].owner == model.environments[current].life
  }

  private func bindFilter() {
    let (code, ring) = (frame(), frame())
    if isOwn(ring) {
      for index in 0..<UInt64(4) {
        machine.put(ring << 12 + PacketRing.framesOffset + index * 4, UInt32(truncatingIfNeeded: frame()))
      }
    }
    if isOwn(code), !chance(5) {
      // Move 1 to r0, exit: everything is mine.
      machine.put(code << 12, 0x0000_0001_0000_00b7 as UInt64)
      machine.put(code << 12 + 8, 0x95 as UInt64)
    }
    let slot = chance(4) ? slot() : CapabilitySlot.networks
    let result = kernel.filterBind(
      slot: slot, code: code, count: random(0..<4), ring: ring, slots: pick([2, 4, 8, 3, 64]))
    guard let handle = call(.filterBind, result) else { return }
    let name = Name(CapabilityName.name(CapabilityName.network, 0), length: 2)
    model.require(current, slot, 9, over: name, "filterBind")
    model.require(isOwn(code) && isOwn(ring) && model.filters[handle] == nil, "filterBind of another's frames")
    model.filters[handle] = (model.environments[current].life, model.environments[current].name)
  }

  /// The devices, honest and not.
  func deviceAct() {
    switch generator.next() % 12 {
    case 0...2: if let head = disk.perform() { disk.pushUsed(0, id: UInt32(head), length: 1) }
    case 3: if !chance(3) { disk.serve() }
    case 4: if chance(4) { disk.pushUsed(0, id: UInt32(truncatingIfNeeded: random(0..<140)), length: 1) }
    case 5: network.receive(World.packet(0x0800, length: Int(random(14..<1515)), number: 0x5a))
    case 6: if chance(4) { network.pushUsed(0, id: UInt32(random(0..<70)), length: UInt32(random(0..<4000))) }
    case 7...8: if let sent = network.takeSent() { network.pushUsed(1, id: UInt32(sent.head), length: 0) }
    case 9: if chance(4) { network.pushUsed(1, id: UInt32(random(0..<300)), length: 0) }
    case 10: if chance(50) { pick([disk, network, network]).jumpUsed(0, by: UInt16(random(0..<9))) }
    default: if chance(50) { network.jumpUsed(1, by: UInt16(random(0..<20))) }
    }
    if chance(3) { kernel.deviceInterrupt(UInt64(disk.interrupt)) }
    if chance(3) { world.networkInterrupt() }
    if chance(6) { _ = kernel.receiveRest() }
  }

  /// An environment writes into memory that is its own, rings and environment page included. What the test itself reads
  /// there is left.
  func scribble() {
    if chance(4) {
      let page = world.pageAddress(kernel.current)
      let places = [random(0..<15), random(24..<EnvironmentPage.repossessionOffset / 8)]
      machine.put(page + pick(places) * 8, generator.next())
      return
    }
    let target = frame()
    guard isOwn(target) else { return }
    machine.put(target << 12 + random(0..<512) * 8, UInt64.max)
  }
}
