import ExokernelABI

@testable import ExokernelCore

// The model held against the books.
extension OwnershipModel {
  /// Takes over an environment that a loader has made: what it maps is believed, as nobody has asked for it.
  mutating func loaded(_ index: Int, _ world: World) {
    let record = world.kernel.environments[UInt32(index)]
    _ = began(record.handle, record, creator: 0)
    environments[index].isStarted = true
    for slot in 0..<16 {
      let held = world.kernel.capabilities[UInt32(index * 16 + slot)]
      guard !held.rights.isEmpty else { continue }
      environments[index].capabilities[slot] = Name(
        held.name, length: UInt64(held.length), rights: held.rights.rawValue)
    }
    for slice in 0..<UInt32(256) where world.kernel.slices[slice].ownerPlusOne == UInt32(index) + 1 {
      slices[Int(slice)] = (environments[index].life, environments[index].name)
    }
    var frame = record.firstFrame
    while frame != 0 {
      let kind = world.kernel.frames[frame].kind
      if frame != record.rootTable, frame != record.environmentPage {
        gave(
          frame, to: index, kind == FrameKind.memory.rawValue ? .memory : .table, environments[index].name, "loading")
      }
      frame = world.kernel.frames[frame].next
    }
    for page in stride(from: UInt64(0x40_0000), to: 0x60_0000, by: 4096) {
      guard let entry = world.machine.walk(UInt64(record.rootTable) << 12, page)?.pointee, entry & 1 != 0 else {
        continue
      }
      let rights = UInt32(1 | entry & 2 | (entry >> 63 == 0 ? 4 : 0))
      map(record.rootTable, page, UInt32(entry >> 12 & 0xf_ffff), rights, "loading")
    }
  }

  /// What the books say that the model does not.
  func differences(_ world: World) -> [String] {
    var found: [String] = []
    for index in environments.indices {
      let record = world.kernel.environments[UInt32(index)]
      let lives = record.state != EnvironmentState.free.rawValue && record.state != EnvironmentState.ended.rawValue
      let mine = environments[index]
      guard lives == (mine.life != 0) else {
        found.append("environment \(index) lives: \(lives)")
        continue
      }
      guard lives else { continue }
      if record.handle != mine.handle || record.guardName != mine.name.guardName || record.rootTable != mine.root {
        found.append("environment \(index): \(record)")
      }
      for kind in 0..<6 where record.quotas.values[kind].limit != mine.limits[kind] {
        found.append("\(index) may own \(record.quotas.values[kind].limit) of \(kind), not \(mine.limits[kind])")
      }
      for slot in 0..<16 {
        let held = world.kernel.capabilities[UInt32(index * 16 + slot)]
        let told =
          held.rights.isEmpty
          ? nil : Name(held.name, length: UInt64(held.length), rights: held.rights.rawValue)
        if told != mine.capabilities[slot] { found.append("slot \(index):\(slot) holds \(held)") }
        if world.kernel.acceptances[UInt32(index * 16 + slot)] != mine.acceptances[slot] {
          found.append("slot \(index):\(slot) accepts another")
        }
      }
    }
    for slice in slices.indices {
      let told = world.kernel.slices[UInt32(slice)]
      let owner = told.ownerPlusOne == 0 ? 0 : environments[Int(told.ownerPlusOne) - 1].life
      if owner != slices[slice].owner || owner != 0 && told.guardName != slices[slice].name.guardName {
        found.append("slice \(slice): \(told)")
      }
    }
    compareFrames(world, &found)
    compareMappings(world, &found)
    return found
  }

  private func compareFrames(_ world: World, _ found: inout [String]) {
    for frame in Int(world.kernel.header.value.firstFrame)..<frames.count {
      let mine = frames[frame]
      let told = world.kernel.frames[UInt32(frame)]
      let owner = told.kind == 0 ? 0 : environments[Int(told.owner)].life
      guard isAlive[mine.owner] || owner != 0 else { continue }
      if mine.kind == .part { continue }
      if mine.owner != owner || !isAlike(mine, told) {
        found.append("frame \(frame) of \(owner), \(told); not \(mine)")
      }
    }
  }

  private func isAlike(_ mine: Frame, _ told: FrameRecord) -> Bool {
    let kinds: [Kind] = [.nothing, .memory, .table, .page, .large, .memory, .large]
    guard kinds[Int(told.kind)] == mine.kind else { return false }
    if mine.kind == .table || mine.kind == .page { return true }
    if told.isRevoked { return told.guardName == mine.name.guardName && Int(told.references) >= mine.references }
    return told.guardName == mine.name.guardName && UInt32(told.identity.allowed) == mine.allowed
      && Int(told.references) >= mine.references
  }

  private func compareMappings(_ world: World, _ found: inout [String]) {
    for (root, pages) in mappings {
      for (page, mapping) in pages where page < AddressMap.largePages {
        let entry = world.machine.walk(UInt64(root) << 12, page)?.pointee ?? 0
        let rights = UInt32(1 | entry & 2 | (entry >> 63 == 0 ? 4 : 0))
        if entry & 1 == 0 || UInt32(entry >> 12 & 0xf_ffff) != mapping.frame || rights != mapping.rights {
          found.append("root \(root) at \(page): \(entry), not \(mapping)")
        }
      }
    }
  }
}
