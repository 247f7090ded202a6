import ExokernelABI

// The abort protocol: what an environment does not give back in time, the kernel takes, and writes down. The functions
// that take do one step, and return true where another one may follow at once; false where the request is over.
extension Kernel {
  /// Writes what was taken into the repossession vector.
  private func recordRepossession(_ environment: UInt32, _ resource: UInt64, _ address: UInt64) {
    let taken = revocations[environment].taken
    guard UInt64(taken) < EnvironmentPage.repossessionCapacity else { return }
    let vector = UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.repossessionOffset
    put(vector &+ UInt64(taken) &* 16, resource)
    put(vector &+ UInt64(taken) &* 16 &+ 8, address)
    revocations[environment].taken = taken &+ 1
    page(of: environment).value.repossessed = UInt64(taken &+ 1)
    header.value.counters.repossessions &+= 1
  }

  /// One step: takes the slice with the lowest index, but not the last one.
  func takeSliceByForce(_ environment: UInt32) -> Bool {
    for processor in 0..<header.value.processorCount {
      for position in 0..<BooksLayout.slices {
        let index = processor &* UInt32(BooksLayout.slices) &+ UInt32(truncatingIfNeeded: position)
        guard slices[index].ownerPlusOne == environment &+ 1 else { continue }
        // The last one is not taken: without it nobody could be told of anything.
        guard hasSlice(environment, besides: index) else {
          finish(environment)
          return false
        }
        dropSlice(UInt64(processor) &<< 8 | position)
        recordRepossession(environment, UInt64(processor) &<< 8 | position, 0)
        return true
      }
    }
    finish(environment)
    return false
  }

  /// One step: unbinds the filter with the lowest index.
  func takeFilterByForce(_ environment: UInt32) -> Bool {
    for index in 0..<filters.count where filters[index].ownerPlusOne == environment &+ 1 {
      let handle = Handle.of(index, generation: filters[index].generation)
      unbindFilter(index)
      recordRepossession(environment, handle, 0)
      return true
    }
    finish(environment)
    return false
  }

  /// One step: looks at the frame at `start` of the owner's list, and takes it where nothing maps or pins it.
  func takeUnmappedFrame(_ environment: UInt32, _ request: Cell<RevocationRequest>, next start: UInt32) -> Bool {
    var frame = start
    // Between two steps the frame may have left the list: then the search starts over. Frames that the environment
    // frees and allocates again come to the head of the list, so a search that is started over meets them, but an
    // environment that frees again and again just the frame whose turn it is puts the search's end off.
    let isOwn =
      frame != 0 && frames[frame].kind != FrameKind.free.rawValue && UInt32(frames[frame].owner) == environment
    if !isOwn { frame = environments[environment].firstFrame }
    guard frame != 0 else {
      request.value.stage = .takingMapped(.all(.mappedOnce))
      return true
    }
    let next = frames[frame].next
    if frames[frame].kind == FrameKind.memory.rawValue, frames[frame].references == 0, frames[frame].pins == 0 {
      returnFrame(frame)
      recordRepossession(environment, UInt64(frame), 1)
    }
    request.value.stage = next == 0 ? .takingMapped(.all(.mappedOnce)) : .takingUnmapped(next: next)
    return true
  }

  /// One step down the page table of an environment: looks at the next page that is mapped, and does with its frame
  /// what the search is for. Frames that are not the environment's own memory, or are pinned, are passed.
  func takeMappedFrame(_ environment: UInt32, _ request: Cell<RevocationRequest>, _ search: MappingSearch) -> Bool {
    guard search.end != 0 else { return searchAgain(environment, request, search.goal) }
    var address = search.end &- AddressMap.pageSize
    var table = rootTable(of: environment)
    var shift: UInt64 = 39
    while shift > 12 {
      let entry = tableEntry(table, address &>> shift)
      guard entry & PageEntry.present != 0 else {
        request.value.stage = .takingMapped(MappingSearch(end: (address &>> shift) &<< shift, goal: search.goal))
        return true
      }
      table = entry & PageEntry.addressMask
      shift &-= 9
    }
    // Empty entries of the same table cost little.
    var entry = tableEntry(table, address &>> 12)
    var patience = 32
    while entry & PageEntry.present == 0, address &>> 12 & 511 != 0, patience > 0 {
      address &-= AddressMap.pageSize
      entry = tableEntry(table, address &>> 12)
      patience &-= 1
    }
    var rest = MappingSearch(end: address, goal: search.goal)
    let frame = UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)
    if entry & PageEntry.present != 0, frames[frame].kind == FrameKind.memory.rawValue,
      UInt32(frames[frame].owner) == environment, frames[frame].pins == 0
    {
      meet(frame, at: address, in: table, of: environment, &rest)
    }
    request.value.stage = .takingMapped(rest)
    return true
  }

  /// The search has come to a page at `address`, mapped by `table`, that is `frame` of the environment's own memory.
  private func meet(
    _ frame: UInt32, at address: UInt64, in table: UInt64, of environment: UInt32, _ search: inout MappingSearch
  ) {
    switch search.goal {
    case .mappedOnce:
      if frames[frame].references == 1 { _ = dropMapping(of: environment, table, address, frame) }
    case .shared:
      if frames[frame].references > 1 {
        search.goal = .mappings(of: SharedFrame(frame: frame, address: address), found: 1)
      }
    case .mappings(let shared, let found):
      guard frame == shared.frame else { return }
      if found &+ 1 == frames[frame].references {
        search = MappingSearch(end: shared.address &+ AddressMap.pageSize, goal: .removal(of: shared))
      } else {
        search.goal = .mappings(of: shared, found: found &+ 1)
      }
    case .removal(let shared):
      guard frame == shared.frame, dropMapping(of: environment, table, address, frame) else { return }
      search = MappingSearch(end: shared.address, goal: .shared)
    }
  }

  /// The search has come to the lowest page: what it looks for next, or the end of the request.
  private func searchAgain(_ environment: UInt32, _ request: Cell<RevocationRequest>, _ goal: MappingSearch.Goal)
    -> Bool
  {
    switch goal {
    case .mappedOnce: request.value.stage = .takingMapped(.all(.shared))
    // Others have mapped the frame, too: it cannot be taken without harm to them.
    case .mappings(let shared, _), .removal(let shared):
      request.value.stage = .takingMapped(MappingSearch(end: shared.address, goal: .shared))
    case .shared:
      finish(environment)
      return false
    }
    return true
  }

  /// Removes a mapping of a frame; takes the frame where it was the last one, and returns true then.
  private func dropMapping(of environment: UInt32, _ table: UInt64, _ address: UInt64, _ frame: UInt32) -> Bool {
    setTableEntry(table, address &>> 12, 0)
    frames[frame].removeReference()
    forgetTranslations(environment, address)
    guard frames[frame].references == 0 else { return false }
    returnFrame(frame)
    recordRepossession(environment, UInt64(frame), address)
    return true
  }
}
