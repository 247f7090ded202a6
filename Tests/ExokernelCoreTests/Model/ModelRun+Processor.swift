import ExokernelABI

@testable import ExokernelCore

// Calls on the processor, and regions.
extension ModelRun {
  func processorCall() {
    let me = current
    switch generator.next() % 28 {
    case 0...3: giveUp()
    case 4...6: tick()
    case 7: yieldTo()
    case 8: sleep()
    case 9:
      allow(.sleepUntil)
      if world.sleepUntil() { next() }
    case 10...11: bindPredicate()
    case 12: wake()
    case 13:
      _ = call(
        .upcallBind,
        kernel.upcallBind(fault: address(), epilogue: address(), prologue: address(), revocation: address()))
    case 14:
      let fault = kernel.pageFault(instruction: generator.next(), address: generator.next(), code: random(0..<32))
      if case .abort = fault, chance(6) {
        endAndGoOn(me, status: 139)
      } else if chance(60) {
        decline()
      }
    case 15:
      let name = chance(2) ? (bytes: 0, length: 0) : name()
      _ = call(
        .transferBind, kernel.transferBind(entry: address(), stack: address(), name: name.bytes, length: name.length))
    case 16...18: transfer()
    case 19: sliceAllocate()
    case 20: sliceFree()
    case 21: sliceGive()
    case 22: _ = call(.consoleWrite, kernel.consoleWrite(count: random(0..<230)))
    case 23: consoleDraw()
    case 24:
      if chance(30) {
        allow(.exit)
        endAndGoOn(me, status: UInt32(random(0..<3)))
      }
    case 25: doChores()
    case 26: _ = kernel.cleanLarge()
    default: machine.now += random(0..<500_000)
    }
    if machine.console.count > 10_000 { machine.console = [] }
  }

  private func endAndGoOn(_ environment: Int, status: UInt32) {
    end(environment, status: status)
    next()
  }

  /// Nobody serves the fault: the kernel writes down what the environment says of it, and ends it.
  private func decline() {
    if chance(2) {
      allow(.exceptionDecline)
    } else {
      allow(.faultDecline)
      let page = world.page(kernel.current)
      guard case .pageFault(page.faultAddress, page.faultCode) = kernel.declinedFault() else {
        return model.require(false, "faultDecline with another cause")
      }
    }
    endAndGoOn(current, status: 139)
  }

  private func deadline() -> UInt64 { chance(2) ? 0 : machine.now + random(0..<1000) }

  private func sleep() {
    if chance(2) {
      _ = call(.transferBind, kernel.transferBind(entry: 0x40_0000, stack: 0x5f_0000, name: 0, length: 0))
    }
    allow(.sleep)
    if world.sleep(events: chance(4) ? 0 : world.page(kernel.current).events, deadline: deadline()) { next() }
  }

  private func giveUp() {
    allow(.yield)
    kernel.giveUp(instruction: 0x40_0000, stack: 0)
    // As the dispatcher does: the short way where nothing is unusual.
    if kernel.kernelPrivate.value.needsChores != 0
      || kernel.startNextSlice(after: kernel.sliceNode, at: machine.now) == nil
    {
      next()
    }
  }

  private func tick() {
    if kernel.hasChores {
      let before = kernel.current
      doChores()
      guard kernel.current == before else {
        next()
        return
      }
    }
    machine.now += chance(2) ? kernel.header.value.sliceLength : 1000
    if case .abort = kernel.sliceEnded(at: generator.next()) {
      endAndGoOn(current, status: 139)
    }
  }

  private func yieldTo() {
    let handle = environment()
    let isOver = kernel.sliceIsOver
    do throws(CallError) {
      let receiver = try kernel.yieldTo(handle)
      _ = call(.yieldTo, .success)
      guard !isOver else { return }
      model.require(model.index(handle) == Int(receiver), "yieldTo another one")
      model.require(model.environments[Int(receiver)].isStarted, "yieldTo who was not started")
    } catch {
      _ = call(.yieldTo, kernel.refuse(error))
    }
  }

  private func transfer() {
    let me = model.environments[current]
    let (handle, slot) = chance(4) ? (environment(), slot()) : callee() ?? (environment(), slot())
    let (mode, number) = pick([
      (TransferMode.asynchronous, CallNumber.transfer), (.synchronous, .call), (.final, .answer),
    ])
    let before = model.index(handle).map { kernel.environments[UInt32($0)] }
    do throws(CallError) {
      let arrival = try kernel.transfer(slot: slot, environment: handle, mode: mode)
      _ = call(number, .success)
      guard let index = model.index(handle), let before else { return model.require(false, "transfer to nobody") }
      let callee = model.environments[index]
      model.require(arrival.caller == me.handle, "transfer in another's name")
      if before.state == EnvironmentState.sleeping.rawValue {
        model.require(
          model.capability(Int(me.handle & 0xff), slot)?.dominates(callee.name, Rights.call.rawValue) == true,
          "transfer without the capability")
        model.require((before.acceptName ^ me.name.guardName) & before.acceptMask == 0, "transfer that is not accepted")
        model.require(arrival.entry == before.transferEntry && arrival.entry != 0, "transfer to another entry")
      } else {
        model.require(before.awaited == me.handle, "transfer to who waits for another")
      }
      model.require(current == index, "transfer to another one")
    } catch {
      _ = call(number, kernel.refuse(error))
    }
  }

  private func wake() {
    let (handle, slot) = (environment(), slot())
    guard call(.wake, kernel.wake(slot: slot, environment: handle)) != nil else { return }
    guard let index = model.index(handle) else { return model.require(false, "wake of nobody") }
    model.require(current, slot, Rights.call.rawValue, over: model.environments[index].name, "wake")
  }

  private func bindPredicate() {
    let (slot, frame) = (slot(), frame())
    let count = chance(20) ? pick([9, 1 << 32]) : random(0..<6)
    let offset = chance(10) ? generator.next() : random(0..<40) * 8
    var places: [(frame: UInt64, slot: UInt64)] = [(frame, slot)]
    if frame < UInt64(model.frames.count), model.frames[Int(frame)].kind == .memory,
      model.frames[Int(frame)].owner == model.environments[current].life, offset < 3000, count < 9
    {
      for index in 0..<count {
        let source: WordSource = pick([.frame, .books, .clock])
        let place = source == .frame ? self.frame() << 12 | random(0..<512) * 8 : random(0..<0x1a20) * 8
        let held = chance(3) ? self.slot() & 0xff : 0
        if source == .frame { places.append((place >> 12, held)) }
        let low = machine.now + random(0..<500)
        machine.put(
          frame << 12 + offset + index * 40,
          Comparison(source, place: place, low: low, high: .max, endsTerm: chance(2), capability: held)
        )
      }
    }
    let result = kernel.predicateBind(slot: slot, frame: frame, offset: offset, count: count)
    guard call(.predicateBind, result) != nil, count != 0 else { return }
    for (frame, slot) in places {
      model.require(current, slot, 1, over: model.frames[Int(frame)].name, "predicateBind")
      model.require(model.frames[Int(frame)].kind == .memory, "predicateBind of no memory")
    }
  }

  func consoleDraw() {
    let slot = slot(over: Name(CapabilityName.console << 56, length: 1), Rights.write.rawValue)
    guard call(.consoleDraw, kernel.consoleDraw(slot: slot, count: random(0..<230))) != nil else { return }
    model.require(current, slot, 2, over: Name(CapabilityName.console << 56, length: 1), "consoleDraw")
  }

  // Slices.

  private func position() -> UInt64 { random(0..<3) << 8 | (chance(3) ? random(0..<66) : random(0..<6)) }

  private func sliceAllocate() {
    let slot = slot()
    let wanted = chance(2) ? CallNumber.any : position()
    guard let value = call(.sliceAllocate, kernel.sliceAllocate(slot: slot, position: wanted)) else { return }
    let held = model.capability(current, slot) ?? Name()
    let slice = Int(value >> 8 * 64 + value & 0xff)
    model.require(held.rights & 8 != 0, "sliceAllocate without the right")
    model.require(wanted == CallNumber.any || wanted == value, "another position than the one named")
    model.require(model.slices[slice].owner == 0, "sliceAllocate of position \(slice), which is another's")
    model.slices[slice] = (model.environments[current].life, Name(held.bytes, length: held.length))
  }

  private func sliceFree() {
    let (slot, position) = (slot(), position())
    guard call(.sliceFree, kernel.sliceFree(slot: slot, position: position)) != nil else { return }
    let slice = Int(position >> 8 * 64 + position & 0xff)
    let owner = model.slices[slice].owner
    model.require(current, slot, 8, over: model.slices[slice].name, "sliceFree")
    model.slices[slice] = (0, Name())
    model.require(model.slices.contains { $0.owner == owner }, "sliceFree of the last position")
  }

  private func sliceGive() {
    let (slot, position, table) = (slot(), position(), table())
    guard call(.sliceGive, kernel.sliceGive(slot: slot, position: position, environment: table)) != nil,
      let index = model.target(current, table, "sliceGive")
    else { return }
    let slice = Int(position >> 8 * 64 + position & 0xff)
    let owner = model.slices[slice].owner
    model.require(current, slot, 8, over: model.slices[slice].name, "sliceGive")
    guard owner != model.environments[index].life else { return }
    model.slices[slice] = (model.environments[index].life, model.environments[index].name)
    model.require(model.slices.contains { $0.owner == owner }, "sliceGive of the last position")
  }

  // Regions.

  func regionCall() {
    let slot = slot()
    let handle = chance(6) ? random(0..<0x200) : model.regions.keys.sorted().randomElement(using: &generator) ?? 0
    switch generator.next() % 4 {
    case 0: bindRegion(slot)
    case 1:
      guard chance(2), call(.regionUnbind, kernel.regionUnbind(slot: slot, region: handle)) != nil else { return }
      model.require(current, slot, 8, over: model.regions[handle]?.name ?? Name(), "regionUnbind")
      model.regions[handle] = nil
    default:
      let count = chance(10) ? pick([257, .max]) : random(0..<257)
      let offset = chance(10) ? .max - random(0..<300) : random(0..<64)
      let isWrite = chance(2)
      let result =
        isWrite
        ? kernel.regionWrite(slot: slot, region: handle, offset: offset, count: count)
        : kernel.regionRead(slot: slot, region: handle, offset: offset, count: count)
      guard call(isWrite ? .regionWrite : .regionRead, result) != nil else { return }
      guard let region = model.regions[handle] else { return model.require(false, "an access to no region") }
      model.require(current, slot, isWrite ? 2 : 1, over: region.name, "an access to a region")
      model.require(count <= 256 && offset + count <= region.count, "an access past a region's end")
    }
  }

  private func bindRegion(_ slot: UInt64) {
    let (frame, name) = (frame(), name())
    let (offset, count) = (random(0..<5000), random(0..<4200))
    let result = kernel.regionBind(
      slot: slot, frame: frame, offset: offset, count: count, name: name.bytes, length: name.length)
    guard let handle = call(.regionBind, result) else { return }
    let new = Name(name.bytes, length: name.length)
    let life = model.environments[current].life
    model.require(model.frames[Int(frame)].owner == life, "regionBind of another's frame")
    model.require(current, slot, 11, over: model.frames[Int(frame)].name, "regionBind")
    model.require(current, slot, 8, over: new, "regionBind")
    model.require(count >= 1 && offset + count <= 4096, "regionBind past the frame's end")
    model.require(model.regions[handle] == nil, "region \(handle) a second time")
    model.regions[handle] = .init(owner: life, frame: UInt32(frame), offset: offset, count: count, name: new)
  }
}
