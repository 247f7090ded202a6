import ExokernelABI

@testable import ExokernelCore

// What the kernel takes by force: only from whom it has asked, or who has ended.
extension ModelRun {
  /// Takes over what the kernel has taken, by chores or by calls that unbind. `asked` were the environments with a
  /// request before.
  func noteTaken(_ asked: UInt64) {
    noteLostMappings(asked)
    for index in 0..<64 where asked >> UInt64(index) & 1 != 0 && model.environments[index].life != 0 {
      noteLostFrames(UInt32(index))
      noteLostSlices(UInt32(index))
    }
    noteLostBindings(asked)
  }

  private func isAsked(_ life: Int, _ asked: UInt64) -> Bool {
    model.record(life).map { asked >> UInt64($0) & 1 != 0 } ?? false
  }

  /// Mappings are gone of frames that are taken, or with page tables that are.
  private func noteLostMappings(_ asked: UInt64) {
    for (root, pages) in model.mappings {
      let owners = model.environments.indices.filter {
        model.environments[$0].life != 0 && model.environments[$0].root == root && asked >> UInt64($0) & 1 != 0
      }
      for (page, mapping) in pages where !isMapped(page, in: root) {
        let owner = model.frames[Int(mapping.frame)].owner
        let isOrphan = owner != 0 && !model.isAlive[owner]
        model.require(
          isOrphan || isAsked(owner, asked) || !owners.isEmpty,
          "the mapping of frame \(mapping.frame) at \(page) is lost")
        model.unmap(root, page, "repossession")
      }
    }
  }

  private func isMapped(_ page: UInt64, in root: UInt32) -> Bool {
    var table = UInt64(root) << 12
    var shift: UInt64 = 39
    while true {
      let entry: UInt64 = machine.get(table + (page >> shift & 511) * 8)
      guard entry & 1 != 0 else { return false }
      if shift == 12 || entry & 0x80 != 0 { return true }
      table = entry & 0xf_ffff_ffff_f000
      shift -= 9
    }
  }

  /// Frames of who was asked have gone back, or large ones have become single ones.
  private func noteLostFrames(_ environment: UInt32) {
    let life = model.environments[Int(environment)].life
    for frame in model.frames.indices where model.frames[frame].owner == life {
      let told = kernel.frames[UInt32(frame)]
      switch model.frames[frame].kind {
      case .large where told.kind == FrameKind.memory.rawValue || told.kind == FrameKind.free.rawValue,
        .large where told.kind == FrameKind.revoked.rawValue:
        for part in frame..<frame + 512 {
          model.frames[part].kind = .memory
          model.frames[part].allowed = 7
          if kernel.frames[UInt32(part)].kind == 0 { model.free(UInt32(part), "repossession") }
        }
      case .memory, .table: if told.kind == 0 { model.free(UInt32(frame), "repossession") }
      default: break
      }
    }
  }

  private func noteLostSlices(_ environment: UInt32) {
    for slice in model.slices.indices where model.slices[slice].owner == model.environments[Int(environment)].life {
      if kernel.slices[UInt32(slice)].ownerPlusOne == 0 { model.slices[slice] = (0, Name()) }
    }
  }

  /// Filters and regions of who was asked are unbound where the kernel says so.
  private func noteLostBindings(_ asked: UInt64) {
    for (handle, filter) in model.filters where isAsked(filter.owner, asked) && !isBound(kernel.filters, handle) {
      model.filters[handle] = nil
    }
    for (handle, region) in model.regions where isAsked(region.owner, asked) && !isBound(kernel.regions, handle) {
      model.regions[handle] = nil
    }
  }

  private func isBound<Record: HandledRecord>(_ table: Table<Record>, _ handle: UInt64) -> Bool {
    table.index(of: handle) != nil
  }
}
