import ExokernelABI

@testable import ExokernelCore

// Calls on memory.
extension ModelRun {
  func memoryCall() {
    switch generator.next() % 32 {
    case 0...3: frameAllocate()
    case 4...7: for _ in 0..<2 { frameFree() }
    case 8...12: frameMap()
    case 13...15: frameUnmap()
    case 16...17: frameProtect()
    case 18: _ = call(.entryWrite, kernel.entryWrite(address: address(), value: generator.next(), table: table()))
    case 19...20: tableInstall()
    case 21...23: framesAllocateMapped()
    case 24: frameGuard()
    case 25: frameGive()
    case 26...27: largeCall()
    default: regionCall()
    }
  }

  private func frameAllocate() {
    let me = current
    let slot = slot()
    let wanted = chance(3) ? frame() : CallNumber.any
    guard let value = call(.frameAllocate, kernel.frameAllocate(slot: slot, frame: wanted)) else { return }
    let frame = UInt32(value)
    model.require(wanted == CallNumber.any || wanted == value, "another frame than the one named")
    model.require(machine.isZero(frame: frame), "frame \(frame) with its last owner's data")
    take(frame, me, slot, "frameAllocate")
  }

  private func take(_ frame: UInt32, _ owner: Int, _ slot: UInt64, _ call: String) {
    let held = model.capability(current, slot) ?? Name()
    model.require(held.rights & Rights.allocate.rawValue != 0, "\(call) without the right")
    model.gave(frame, to: owner, .memory, Name(held.bytes, length: held.length), call)
  }

  private func frameFree() {
    let slot = slot()
    let frame = frame()
    guard call(.frameFree, kernel.frameFree(slot: slot, frame: frame)) != nil else { return }
    model.require(model.frames[Int(frame)].kind == .memory, "frameFree of what is no memory")
    model.require(current, slot, Rights.allocate.rawValue, over: model.frames[Int(frame)].name, "frameFree")
    model.free(UInt32(frame), "frameFree")
  }

  private func frameMap() {
    let me = current
    let (slot, frame, address, table) = (slot(), frame(), address(), table())
    let rights = chance(4) ? generator.next() & 0xffff_ffff : random(0..<8)
    let count = chance(3) ? random(0..<80) : 1
    let result = kernel.frameMap(slot: slot, frame: frame, address: address, rights: rights, count: count, table: table)
    guard let done = call(.frameMap, result) else { return }
    model.require(done >= 1 && done <= max(count, 1) && done <= 64, "\(done) pages of \(count)")
    guard let target = model.target(me, table, "frameMap") else { return }
    let needed = UInt32(rights & 7) | 1
    for index in 0..<done {
      let mapped = model.frames[Int(frame + index)]
      model.require(mapped.kind == .memory && model.isAlive[mapped.owner], "frameMap of what is nobody's memory")
      model.require(me, slot, needed, over: mapped.name, "frameMap")
      model.require(needed & ~mapped.allowed == 0, "frameMap with rights that the frame does not allow")
      model.require(address + index * 4096 < AddressMap.largePages, "frameMap at \(address)")
      model.map(
        model.environments[target].root, address + index * 4096, UInt32(frame + index), needed, "frameMap")
    }
  }

  private func frameUnmap() {
    let (address, table) = (address(), table())
    let count = chance(3) ? random(0..<80) : 1
    guard let done = call(.frameUnmap, kernel.frameUnmap(address: address, count: count, table: table)) else { return }
    model.require(done >= 1 && done <= max(count, 1) && done <= 64, "\(done) pages of \(count)")
    guard let target = model.target(current, table, "frameUnmap") else { return }
    for index in 0..<done {
      let frame = model.unmap(model.environments[target].root, address + index * 4096, "frameUnmap")
      model.require(frame.map { model.frames[Int($0)].kind != .page } ?? true, "frameUnmap of an environment page")
    }
  }

  private func frameProtect() {
    let me = current
    let (slot, address, table) = (slot(), address(), table())
    let rights = random(0..<8)
    let count = chance(3) ? random(0..<80) : 1
    let result = kernel.frameProtect(slot: slot, address: address, rights: rights, count: count, table: table)
    guard let done = call(.frameProtect, result) else { return }
    guard let target = model.target(me, table, "frameProtect") else { return }
    let root = model.environments[target].root
    for page in stride(from: address, to: address + done * 4096, by: 4096) {
      guard let before = model.mappings[root]?[page] else {
        model.require(false, "frameProtect at \(page), where there is no page")
        continue
      }
      let needed = UInt32(rights) | 1
      let mapped = model.frames[Int(before.frame)]
      model.require(mapped.kind == .memory, "frameProtect of what is no memory")
      model.require(me, slot, needed, over: mapped.name, "frameProtect")
      model.require(needed & ~mapped.allowed == 0, "frameProtect with rights that the frame does not allow")
      model.mappings[root]![page]!.rights = needed
    }
  }

  private func tableInstall() {
    let (slot, address, table) = (slot(), address(), table())
    let level = chance(10) ? random(0..<5) : random(1..<4)
    install(slot, chance(2) ? CallNumber.any : frame(), chance(4) ? largeAddress() : address, level, table)
  }

  func install(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ level: UInt64, _ table: UInt64) {
    let me = current
    let result = kernel.tableInstall(slot: slot, frame: frame, address: address, level: level, table: table)
    guard call(.tableInstall, result) != nil, let target = model.target(me, table, "tableInstall") else { return }
    var entry = UInt64(model.environments[target].root) << 12
    for shift in stride(from: UInt64(39), through: 12 + 9 * level, by: -9) {
      entry = machine.get((entry & 0xf_ffff_ffff_f000) + (address >> shift & 511) * 8)
    }
    let installed = UInt32(entry >> 12 & 0xf_ffff)
    if frame != CallNumber.any {
      let before = model.frames[Int(frame)]
      model.require(frame == UInt64(installed), "another table than the one named")
      model.require(before.kind == .memory && before.references == 0, "tableInstall of what is no free memory")
      model.require(me, slot, 2 | Rights.allocate.rawValue, over: before.name, "tableInstall")
      model.require(
        before.owner == model.environments[me].life || before.owner == model.environments[target].life,
        "tableInstall of another's frame")
      model.frames[Int(frame)] = .init()
    } else {
      let held = model.capability(me, slot) ?? Name()
      model.require(held.rights & 10 == 10, "tableInstall without the right")
    }
    model.gave(installed, to: target, .table, model.environments[target].name, "tableInstall")
  }

  private func framesAllocateMapped() {
    allocate(slot(), address(), chance(12) ? pick([0, 65, .max]) : random(1..<20), table())
  }

  func allocate(_ slot: UInt64, _ address: UInt64, _ count: UInt64, _ table: UInt64) {
    let me = current
    let result = kernel.framesAllocateMapped(slot: slot, address: address, count: count, table: table)
    guard let done = call(.framesAllocateMapped, result) else { return }
    guard let target = model.target(me, table, "framesAllocateMapped") else { return }
    let root = model.environments[target].root
    for page in stride(from: address, to: address + done * 4096, by: 4096) {
      let frame = UInt32((machine.walk(UInt64(root) << 12, page)?.pointee ?? 0) >> 12 & 0xf_ffff)
      model.require(machine.isZero(frame: frame), "frame \(frame) with its last owner's data")
      take(frame, target, slot, "framesAllocateMapped")
      model.map(root, page, frame, 3, "framesAllocateMapped")
    }
  }

  private func frameGuard() {
    let (slot, frame, name) = (slot(), frame(), name())
    let allowed = random(0..<9)
    let result = kernel.frameGuard(
      slot: slot, frame: frame, name: name.bytes, length: name.length, allowed: allowed)
    guard call(.frameGuard, result) != nil else { return }
    let new = Name(name.bytes, length: name.length)
    model.require(current, slot, 8, over: model.frames[Int(frame)].name, "frameGuard")
    model.require(current, slot, 8, over: new, "frameGuard")
    model.require(allowed < 8 && model.frames[Int(frame)].kind == .memory, "frameGuard of no memory")
    model.frames[Int(frame)].name = new
    model.frames[Int(frame)].allowed = UInt32(allowed)
  }

  private func frameGive() {
    let (slot, frame, table) = (slot(), frame(), table())
    guard call(.frameGive, kernel.frameGive(slot: slot, frame: frame, environment: table)) != nil,
      let target = model.target(current, table, "frameGive")
    else { return }
    model.require(model.frames[Int(frame)].kind == .memory, "frameGive of no memory")
    model.require(current, slot, 8, over: model.frames[Int(frame)].name, "frameGive")
    model.frames[Int(frame)].owner = model.environments[target].life
    model.frames[Int(frame)].name = model.environments[target].name
  }

  func largeCall() {
    let address = largeAddress()
    let life = model.environments[current].life
    let large = (512..<2048 as Range<Int>).filter { model.frames[$0].kind == .large }
    let own = UInt64(large.first { model.frames[$0].owner == life } ?? large.first ?? 1024)
    let slot = slot(over: model.frames[Int(own)].name, Rights.allocate.rawValue)
    switch generator.next() % 5 {
    case 0:
      guard chance(3), let value = call(.largeAllocate, kernel.largeAllocate(slot: slot)) else { return }
      let held = model.capability(current, slot) ?? Name()
      model.require(held.rights & 8 != 0, "largeAllocate without the right")
      for level: UInt64 in [3, 2] { install(0, CallNumber.any, AddressMap.largePages, level, Handle.own) }
      for part in UInt32(value)..<UInt32(value) + 512 {
        model.require(machine.isZero(frame: part), "frame \(part) with its last owner's data")
        model.gave(part, to: current, part == value ? .large : .part, Name(held.bytes, length: held.length), "large")
      }
      for _ in 0..<2 { mapLarge(slot, value, largeAddress()) }
    case 1:
      let frame = chance(5) ? frame() : own
      let pages = model.mappings[model.environments[current].root] ?? [:]
      if chance(2) { for (page, mapping) in pages where UInt64(mapping.frame) == frame { unmapLarge(page) } }
      guard call(.largeFree, kernel.largeFree(slot: slot, frame: frame)) != nil else { return }
      model.require(model.frames[Int(frame)].kind == .large, "largeFree of no large frame")
      model.require(current, slot, 8, over: model.frames[Int(frame)].name, "largeFree")
      for part in UInt32(frame)..<UInt32(frame) + 512 { model.free(part, "largeFree") }
    case 2, 3:
      mapLarge(slot, chance(5) ? frame() : own, address)
    default: unmapLarge(address)
    }
  }

  private func unmapLarge(_ address: UInt64) {
    guard call(.largeUnmap, kernel.largeUnmap(address: address)) != nil else { return }
    model.unmap(model.environments[current].root, address, "largeUnmap")
  }

  private func mapLarge(_ slot: UInt64, _ frame: UInt64, _ address: UInt64) {
    let rights = random(0..<8)
    let result = kernel.largeMap(slot: slot, frame: frame, address: address, rights: rights)
    guard call(.largeMap, result) != nil else { return }
    let mapped = model.frames[Int(frame)]
    model.require(mapped.kind == .large && model.isAlive[mapped.owner], "largeMap of no large frame")
    model.require(current, slot, UInt32(rights) | 1, over: mapped.name, "largeMap")
    model.map(
      model.environments[current].root, address, UInt32(frame), UInt32(rights) | 1, "largeMap")
  }
}
