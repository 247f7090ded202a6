import ExokernelABI

// Which frames are taken. The frames of a list are those that the environment owned when the deadline came: none comes
// in meanwhile, and a search that stands at a frame which leaves goes on with the next. So each search has an end,
// whatever the environment does. Frames that are chosen are revoked at once.
extension Kernel {
  /// One step of a search; true, for another one follows.
  func choose(_ environment: UInt32, _ request: Cell<RevocationRequest>, _ search: FrameSearch) -> Bool {
    switch search {
    case .unused, .memory, .large: chooseFromList(environment, request, search)
    case .mapped(let end): chooseMapped(environment, request, end: end)
    case .tables(let level, let end): return takeTable(environment, request, level: level, end: end)
    }
    return true
  }

  /// Looks at the next frames of the list.
  private func chooseFromList(_ environment: UInt32, _ request: Cell<RevocationRequest>, _ search: FrameSearch) {
    for _ in 0..<Self.framesPerStep {
      let frame = request.value.cursor
      guard frame != 0 else { return searchNext(environment, request, after: search) }
      request.value.cursor = frames[frame].next
      switch search {
      case .unused:
        guard frames[frame].kind == FrameKind.memory.rawValue, frames[frame].references == 0, frames[frame].pins == 0
        else { continue }
      case .large:
        guard frames[frame].kind == FrameKind.large.rawValue else { continue }
        revoke(frame)
        request.value.stage = .breaking(frame: frame, sweep: wantSweep())
        return
      default: guard frames[frame].kind == FrameKind.memory.rawValue else { continue }
      }
      // One at a time: how many are missing depends on what the environment gives back meanwhile.
      take(frame, of: environment, request)
      return
    }
  }

  /// Chooses a frame. Of its mappings the sweep tells.
  private func take(_ frame: UInt32, of environment: UInt32, _ request: Cell<RevocationRequest>) {
    revoke(frame)
    request.value.chosen &+= 1
    guard frames[frame].references == 0 else { return }
    frames[frame].noteTold()
    tell(environment, of: UInt64(frame), Repossession.notMapped)
  }

  /// A search has found nothing more.
  func searchNext(_ environment: UInt32, _ request: Cell<RevocationRequest>, after search: FrameSearch) {
    request.value.cursor = environments[environment].firstFrame
    switch search {
    case .unused: request.value.stage = .choosing(.mapped(end: AddressMap.largePages))
    case .mapped: request.value.stage = .choosing(.memory)
    case .memory: request.value.stage = .choosing(.large)
    case .large: request.value.stage = .choosing(.tables(level: 1, end: AddressMap.userEnd))
    case .tables(let level, _): request.value.stage = .choosing(.tables(level: level &+ 1, end: AddressMap.userEnd))
    }
  }

  /// Looks at the next pages below `end`, at most `entriesPerStep`.
  private func chooseMapped(_ environment: UInt32, _ request: Cell<RevocationRequest>, end: UInt64) {
    guard end != 0 else { return searchNext(environment, request, after: .mapped(end: 0)) }
    let found = descend(environment, below: end, to: 12)
    guard found.shift == 12 else {
      request.value.stage = .choosing(.mapped(end: found.end))
      return
    }
    var address = end
    for _ in 0..<Self.entriesPerStep {
      address &-= AddressMap.pageSize
      let entry = tableEntry(found.table, address &>> 12)
      if entry & PageEntry.present != 0 {
        let frame = UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)
        if frames[frame].kind == FrameKind.memory.rawValue, UInt32(frames[frame].owner) == environment,
          frames[frame].pins == 0
        {
          take(frame, of: environment, request)
          break
        }
      }
      if address &>> 12 & 511 == 0 { break }
    }
    request.value.stage = .choosing(.mapped(end: address))
  }

  /// Goes down the page table of an environment towards the page below `end`, until it has come to the table whose
  /// entries are for 1 << `last` bytes. Where a level is missing, `shift` is larger, and `end` is where the next page
  /// may end: past as many entries that lead to no table as one step looks at.
  func descend(_ environment: UInt32, below end: UInt64, to last: UInt64) -> (
    table: UInt64, parent: UInt64, shift: UInt64, end: UInt64
  ) {
    let address = end &- 1
    var table = rootTable(of: environment)
    var parent: UInt64 = 0
    var shift: UInt64 = 39
    while shift > last {
      var index = address &>> shift
      let entry = tableEntry(table, index)
      // The kernel's own tables are no environment's.
      if leadsToTable(entry), shift != 30 || !isReserved(address) {
        parent = table
        table = entry & PageEntry.addressMask
        shift &-= 9
        continue
      }
      var rest = Self.entriesPerStep
      while rest > 1, index & 511 != 0, !leadsToTable(tableEntry(table, index &- 1)) {
        index &-= 1
        rest &-= 1
      }
      return (table, parent, shift, index &<< shift)
    }
    return (table, parent, shift, end)
  }

  /// True for an entry, not of the last level, behind which there is another table.
  @inline(__always) func leadsToTable(_ entry: UInt64) -> Bool {
    entry & (PageEntry.present | PageEntry.large) == PageEntry.present
  }
}
