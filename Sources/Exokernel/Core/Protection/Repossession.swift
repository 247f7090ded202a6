import ExokernelABI

// The abort protocol: what an environment does not give back in time, the kernel takes, and writes down.
extension Kernel {
  /// Writes what was taken into the repossession vector.
  private func note(_ environment: UInt32, _ resource: UInt64, _ address: UInt64) {
    let taken = revocations[environment].taken
    guard UInt64(taken) < EnvironmentPage.repossessionCapacity else { return }
    let vector = UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.repossessionOffset
    put(vector &+ UInt64(taken) &* 16, resource)
    put(vector &+ UInt64(taken) &* 16 &+ 8, address)
    revocations[environment].taken = taken &+ 1
    page(of: environment).value.repossessed = UInt64(taken &+ 1)
    header.value.counters.repossessions &+= 1
  }

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
        note(environment, UInt64(processor) &<< 8 | position, 0)
        return true
      }
    }
    finish(environment)
    return false
  }

  func takeFilterByForce(_ environment: UInt32) -> Bool {
    for index in 0..<filters.count where filters[index].ownerPlusOne == environment &+ 1 {
      let handle = Handle.of(index, generation: filters[index].generation)
      unbindFilter(index)
      note(environment, handle, 0)
      return true
    }
    finish(environment)
    return false
  }

  /// One step: looks at one frame of the owner's list, later at one entry of its page table.
  func takeFrameByForce(_ environment: UInt32) -> Bool {
    let request = revocations.cell(at: environment)
    guard request.value.stage == 3 else { return takeMappedFrame(environment, request) }
    var frame = request.value.frame
    // The list may have changed between two steps: then it starts over, which ends because every start finds fewer frames or none.
    let isOwn =
      frame != 0 && frames[frame].kind != FrameKind.free.rawValue && UInt32(frames[frame].owner) == environment
    if !isOwn { frame = environments[environment].firstFrame }
    guard frame != 0 else {
      request.value.stage = 4
      return true
    }
    let next = frames[frame].next
    if frames[frame].kind == FrameKind.memory.rawValue, frames[frame].references == 0, frames[frame].pins == 0 {
      returnFrame(frame)
      note(environment, UInt64(frame), 1)
    }
    request.value.frame = next
    if next == 0 { request.value.stage = 4 }
    return true
  }

  /// Looks at the next page that is mapped: takes its frame where it has no other mapping, later where all mappings are the environment's own.
  private func takeMappedFrame(_ environment: UInt32, _ request: Cell<RevocationRequest>) -> Bool {
    guard request.value.address != 0 else { return searchAgain(environment, request) }
    var address = request.value.address &- AddressMap.pageSize
    var table = rootTable(of: environment)
    var shift: UInt64 = 39
    while shift > 12 {
      let entry = tableEntry(table, address &>> shift)
      guard entry & PageEntry.present != 0 else {
        request.value.address = (address &>> shift) &<< shift
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
    request.value.address = address
    let frame = UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)
    guard entry & PageEntry.present != 0, frames[frame].kind == FrameKind.memory.rawValue,
      UInt32(frames[frame].owner) == environment, frames[frame].pins == 0
    else { return true }
    switch request.value.stage {
    case 4: if frames[frame].references == 1 { dropMapping(of: environment, table, address, frame) }
    case 5: countMapping(request, address, frame)
    default: if frame == request.value.frame { dropMapping(of: environment, table, address, frame) }
    }
    return true
  }

  /// The search has come to the lowest page.
  private func searchAgain(_ environment: UInt32, _ request: Cell<RevocationRequest>) -> Bool {
    if request.value.stage == 4 {
      request.value.stage = 5
      request.value.address = AddressMap.largePages
    } else if request.value.frame != 0 {
      // Others have mapped it, too: it cannot be taken without harm to them.
      request.value.stage = 5
      request.value.address = request.value.next
    } else {
      finish(environment)
      return false
    }
    request.value.frame = 0
    return true
  }

  /// Counts the mappings of one frame after the other; once all that there are were found, they can go.
  private func countMapping(_ request: Cell<RevocationRequest>, _ address: UInt64, _ frame: UInt32) {
    if request.value.frame == 0, frames[frame].references > 1 {
      request.value.frame = frame
      request.value.next = address
      request.value.mappings = 0
    }
    guard frame == request.value.frame else { return }
    request.value.mappings &+= 1
    if request.value.mappings == frames[frame].references {
      request.value.stage = 6
      request.value.address = request.value.next &+ AddressMap.pageSize
    }
  }

  /// Removes a mapping of a frame; takes the frame where it was the last one.
  private func dropMapping(of environment: UInt32, _ table: UInt64, _ address: UInt64, _ frame: UInt32) {
    setTableEntry(table, address &>> 12, 0)
    frames[frame].references &-= 1
    forgetTranslations(environment, address)
    guard frames[frame].references == 0 else { return }
    returnFrame(frame)
    note(environment, UInt64(frame), address)
    let request = revocations.cell(at: environment)
    if request.value.stage == 6 {
      request.value.stage = 5
      request.value.frame = 0
      request.value.address = request.value.next
    }
  }
}
