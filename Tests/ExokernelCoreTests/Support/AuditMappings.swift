import ExokernelABI

@testable import ExokernelCore

/// What walks over all page tables find.
struct FoundMappings {
  /// Mappings of each frame.
  var references: [UInt32]
  /// Tables that point to each frame as a table.
  var parents: [UInt32]
  /// Mappings of revoked frames by living environments.
  var revoked = 0
}

// Page tables.
extension Audit {
  /// References are what a walk over all page tables finds; no page table is mapped; tables have one parent, root
  /// tables as many references as environments use them.
  mutating func checkMappings() {
    let zeroes = [UInt32](repeating: 0, count: Int(header.frameCount))
    var found = FoundMappings(references: zeroes, parents: zeroes)
    var users: [UInt32: Int] = [:]
    for environment in all where isAlive(environment) { users[environments[environment].rootTable, default: 0] += 1 }
    var walked = Set<UInt32>()
    for environment in all where !isFree(environment) {
      let root = environments[environment].rootTable
      var start: UInt64 = 0
      if isAlive(environment) {
        guard walked.insert(root).inserted else { continue }
        checkRoot(root)
      } else {
        guard isReaped(environment), isSharing(environment), own.unmapped >> UInt64(environment) & 1 == 0 else {
          continue
        }
        if own.reaper.environment == environment { start = own.reaper.address }
      }
      let before = found.revoked
      walk(root, 39, 0, start, root, &found)
      // What ended ones map the reaper lets go of.
      if !isAlive(environment) { found.revoked = before }
    }
    for frame in Int(header.firstFrame)..<Int(header.frameCount) where frames[frame].kind != 0 {
      checkFound(frame, users[UInt32(frame)] ?? 0, found)
    }
    checkBootFrames(found)
    if found.revoked != 0, own.sweep.wanted == own.sweep.ended {
      faults.append("\(found.revoked) mappings of revoked frames, and no sweep that looks for them")
    }
    faults += world.machine.staleTranslations
  }

  private mutating func checkRoot(_ root: UInt32) {
    for slot: UInt64 in [254, 255, 256, 509, 511] {
      let expected: UInt64 =
        switch slot {
        case 255: UInt64(root) << 12 | 5 | 1 << 63
        case 509: UInt64(root) << 12 | 3 | 1 << 63
        default: world.machine.get(FakeMachine.Place.template + slot * 8)
        }
      let entry: UInt64 = world.machine.get(UInt64(root) << 12 + slot * 8)
      if entry != expected { faults.append("root \(root): entry \(slot)") }
    }
  }

  private mutating func checkFound(_ frame: Int, _ users: Int, _ found: FoundMappings) {
    let record = frames[frame]
    let owner = Int(record.owner)
    if record.kind == FrameKind.pageTable.rawValue {
      if users != 0 {
        if found.parents[frame] != 0 || Int(record.references) != users {
          faults.append("root table \(frame) of \(users): \(record.references) references")
        }
        return
      }
      let isUsed = found.parents[frame] != 0
      if isAlive(owner) && !isUsed || isUsed && (found.parents[frame] != 1 || record.references != 1) {
        faults.append("table \(frame) has \(found.parents[frame]) parents, \(record.references) references")
      }
    } else if isAlive(owner) || isSharing(owner), record.references != found.references[frame] {
      faults.append("frame \(frame) is mapped \(found.references[frame]) times, told are \(record.references)")
    }
  }

  /// Frames of the boot archive are mapped by programs that were loaded. What an ended one mapped is not looked for
  /// where it shared nothing.
  private mutating func checkBootFrames(_ found: FoundMappings) {
    let hasEnded = all.contains { environments[$0].generation > (isAlive($0) ? 1 : 0) }
    for frame in 0..<Int(header.firstFrame) {
      let told = frames[frame].references
      if told < found.references[frame] || told != found.references[frame] && !hasEnded {
        faults.append("boot frame \(frame) is mapped \(found.references[frame]) times, told are \(told)")
      }
    }
  }

  /// True where somebody who has `root` as page table, or had it and still owns frames, is `environment`.
  private func uses(_ environment: Int, _ root: UInt32) -> Bool {
    !isFree(environment) && environments[environment].rootTable == root
  }

  private mutating func walk(
    _ table: UInt32, _ shift: UInt64, _ address: UInt64, _ start: UInt64, _ root: UInt32, _ found: inout FoundMappings
  ) {
    let entries = world.machine.memory(at: UInt64(table) << 12).assumingMemoryBound(to: UInt64.self)
    for index in 0..<(shift == 39 ? 224 : 512) where entries[index] & 1 != 0 {
      let here = address | UInt64(index) << shift
      guard here + (1 << shift) > start else { continue }
      let entry = entries[index]
      let frame = Int(entry >> 12 & 0xff_ffff_ffff)
      guard frame < Int(header.frameCount) else {
        faults.append("root \(root): entry for \(here) of \(frame)")
        continue
      }
      if shift == 12 || entry & 0x80 != 0 {
        if entry & 4 == 0 { faults.append("root \(root): mapping at \(here) is not the user's") }
        found.references[frame] += 1
        checkMapping(frame, entry, here, shift, root, &found)
      } else if frames[frame].kind == FrameKind.pageTable.rawValue, uses(Int(frames[frame].owner), root) {
        found.parents[frame] += 1
        walk(UInt32(frame), shift - 9, here, start, root, &found)
      } else {
        faults.append("root \(root): entry for \(here) names \(frame) as a table")
      }
    }
  }

  private mutating func checkMapping(
    _ frame: Int, _ entry: UInt64, _ here: UInt64, _ shift: UInt64, _ root: UInt32, _ found: inout FoundMappings
  ) {
    let record = frames[frame]
    let owner = Int(record.owner)
    if frame < Int(header.firstFrame) {
      if entry & 2 != 0 { faults.append("root \(root): boot frame \(frame) is writable at \(here)") }
      return
    }
    let isLarge = here >= AddressMap.largePages
    switch record.kind {
    case FrameKind.memory.rawValue where !isLarge && shift == 12, FrameKind.large.rawValue where isLarge && shift == 21,
      FrameKind.revoked.rawValue where !isLarge && shift == 12,
      FrameKind.revokedLarge.rawValue where isLarge && shift == 21:
      if record.isRevoked { found.revoked += 1 }
      guard !uses(owner, root) else { return }
      // Whoever is the last one to end must look for foreign frames.
      if !isSharing(owner) || all.contains(where: { isAlive($0) && uses($0, root) && !isSharing($0) }) {
        faults.append("root \(root): mapping at \(here) of another's frame \(frame) that nobody will look for")
      }
    case FrameKind.environmentPage.rawValue:
      if !uses(owner, root) || frame != Int(environments[owner].environmentPage)
        || here != environments[owner].pageAddress
      {
        faults.append("root \(root): environment page \(frame) of \(owner) at \(here)")
      }
    default: faults.append("root \(root): mapping at \(here) of frame \(frame) of kind \(record.kind)")
    }
  }
}
