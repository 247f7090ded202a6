import ExokernelABI

// Positions of slice vectors: processor << 8 | position. Each carries the guard of the capability under which it was
// taken.
extension Kernel {
  /// Checks `CallNumber.sliceAllocate`.
  func decodeSliceAllocate(slot: UInt64, position: UInt64) throws(CallError) -> (position: UInt64, guardName: UInt64) {
    let capability = try presented(slot)
    guard capability.rights.contains(.allocate) else { throw .notPermitted }
    guard hasRoom(current, .slices) else { throw .exhausted }
    guard let free = freeSlice(position) else { throw noSlice(position) }
    return (free, capability.guardName)
  }

  /// Makes the position the caller's; returns it.
  func performSliceAllocate(_ decoded: (position: UInt64, guardName: UInt64)) -> UInt64 {
    takeSlice(decoded.position, for: current, guardName: decoded.guardName)
    return decoded.position
  }

  /// Checks `CallNumber.sliceFree`. An environment that can run keeps its last position: without one it could not even
  /// end.
  func decodeSliceFree(slot: UInt64, position: UInt64) throws(CallError) -> UInt64 {
    let index = try takenSlice(position, slot: slot)
    let owner = slices[index].ownerPlusOne &- 1
    guard hasSlice(owner, besides: index) else { throw .busy }
    guard !owes(owner, on: index / UInt32(BooksLayout.slices)) else { throw .again }
    return position
  }

  /// Takes the position from its owner.
  func performSliceFree(_ position: UInt64) { dropSlice(position) }

  /// Checks `CallNumber.sliceGive`. `isMoved` is false where the receiver has the position already. The receiver is one
  /// that the caller controls: nobody's quota is used up, and nobody is made to run, by strangers.
  func decodeSliceGive(slot: UInt64, position: UInt64, environment table: UInt64) throws(CallError) -> (
    position: UInt64, receiver: UInt32, isMoved: Bool
  ) {
    let index = try takenSlice(position, slot: slot)
    let receiver = try tableOwner(table)
    let giver = slices[index].ownerPlusOne &- 1
    guard receiver != giver else { return (position, receiver, false) }
    guard hasSlice(giver, besides: index) else { throw .busy }
    guard hasRoom(receiver, .slices) else { throw .exhausted }
    guard !owes(giver, on: index / UInt32(BooksLayout.slices)) else { throw .again }
    return (position, receiver, true)
  }

  /// Makes the position the receiver's.
  func performSliceGive(_ decoded: (position: UInt64, receiver: UInt32, isMoved: Bool)) {
    guard decoded.isMoved else { return }
    let guardName = environments[decoded.receiver].guardName
    dropSlice(decoded.position)
    takeSlice(decoded.position, for: decoded.receiver, guardName: guardName)
  }

  /// Where a position that somebody has is in the table, if the capability in `slot` may free it.
  private func takenSlice(_ position: UInt64, slot: UInt64) throws(CallError) -> UInt32 {
    guard let index = sliceIndex(named: position), slices[index].ownerPlusOne != 0 else { throw .noSuchResource }
    try require(slot, .allocate, guardName: slices[index].guardName)
    return index
  }

  /// Where the position that a caller names is in the table.
  @inline(__always) private func sliceIndex(named position: UInt64) -> UInt32? {
    guard position & 0xff < BooksLayout.slices, position &>> 8 < UInt64(header.value.processorCount) else { return nil }
    return UInt32(truncatingIfNeeded: position &>> 8 &* BooksLayout.slices &+ position & 0xff)
  }

  /// True where an environment has a position besides the one at `index` of the table. What it gave to those that it
  /// made is none.
  func hasSlice(_ environment: UInt32, besides index: UInt32) -> Bool {
    for other in 0..<header.value.processorCount &* UInt32(BooksLayout.slices)
    where other != index && slices[other].ownerPlusOne == environment &+ 1 {
      return true
    }
    return false
  }

  /// True where an environment has a position of a processor. Bounded by the vector's length.
  func hasSlice(_ environment: UInt32, on processor: UInt32) -> Bool {
    let first = processor &* UInt32(BooksLayout.slices)
    for index in first..<first &+ UInt32(BooksLayout.slices) where slices[index].ownerPlusOne == environment &+ 1 {
      return true
    }
    return false
  }

  /// Why there is no free position of that name.
  func noSlice(_ position: UInt64) -> CallError {
    if position == CallNumber.any { return .exhausted }
    return sliceIndex(named: position) == nil ? .noSuchResource : .busy
  }

  /// A free position: the one that is named, or any, on the processor with the most free ones.
  func freeSlice(_ position: UInt64) -> UInt64? {
    guard position == CallNumber.any else {
      guard let index = sliceIndex(named: position), slices[index].ownerPlusOne == 0 else { return nil }
      return position
    }
    var best: UInt32 = 0
    var most = 0
    for index in 0..<header.value.processorCount {
      let free = 64 &- processor(index).value.slicesTaken.nonzeroBitCount
      if free > most {
        most = free
        best = index
      }
    }
    guard most > 0 else { return nil }
    let taken = processor(best).value.slicesTaken
    return UInt64(best) &<< 8 | UInt64(truncatingIfNeeded: (~taken).trailingZeroBitCount)
  }

  /// Gives a free position to an environment.
  func takeSlice(_ position: UInt64, for environment: UInt32, guardName: UInt64) {
    let processor = UInt32(truncatingIfNeeded: position &>> 8)
    let index = processor &* UInt32(BooksLayout.slices) &+ UInt32(truncatingIfNeeded: position & 0xff)
    slices[index] = SliceRecord(guardName: guardName, ownerPlusOne: environment &+ 1)
    let owner = environments.cell(at: environment)
    sliceNodes[index].record = owner.address
    sliceNodes[index].debt = debts.cell(at: debtIndex(of: environment, on: processor)).address
    sliceNodes[index].turn = UInt64(environment) &<< 32 | position & 63
    self.processor(processor).value.slicesTaken |= 1 &<< (position & 63)
    relink(position & 63, of: processor)
    charge(environment, .slices)
    if processor != self.processor.value.index, self.processor(processor).value.isIdle != 0 {
      hardware.interrupt(processor: processor)
    }
  }

  /// Takes a position from its owner.
  func dropSlice(_ position: UInt64) {
    let processor = UInt32(truncatingIfNeeded: position &>> 8)
    let index = processor &* UInt32(BooksLayout.slices) &+ UInt32(truncatingIfNeeded: position & 0xff)
    discharge(slices[index].ownerPlusOne &- 1, .slices)
    slices[index] = SliceRecord(guardName: 0, ownerPlusOne: 0)
    sliceNodes[index].record = 0
    sliceNodes[index].debt = 0
    self.processor(processor).value.slicesTaken &= ~(1 &<< (position & 63))
    relink(position & 63, of: processor)
  }

  /// A position was taken or freed: links those before it, back to the nearest one that has an owner, with what follows
  /// them now. Each position, taken or not, is linked with the next one that has an owner. Bounded by the vector's
  /// length.
  private func relink(_ position: UInt64, of processor: UInt32) {
    let taken = self.processor(processor).value.slicesTaken
    processors[processor].slicesTaken = taken
    self.processor(processor).value.isAlone = taken & (taken &- 1) == 0 ? 1 : 0
    let base = processor &* UInt32(BooksLayout.slices)
    let start = UInt32(truncatingIfNeeded: position)
    // This position is in the lowest bit, the one before it in the highest.
    let others = taken.rotatedRight(by: start)
    var next = nobodysNode.address
    if taken != 0 {
      let distance = UInt32(truncatingIfNeeded: others.trailingZeroBitCount)
      next = sliceNodes.cell(at: base &+ (start &+ distance) & 63).address
    }
    // How many: to the nearest one before it, or around the vector.
    let count = others &>> 1 == 0 ? 64 : UInt32(truncatingIfNeeded: others.leadingZeroBitCount) &+ 1
    var index = start
    for _ in 0..<count {
      index = (index &- 1) & 63
      sliceNodes[base &+ index].next = next
    }
  }

  /// Takes all of an environment's positions.
  func dropSlices(of environment: UInt32) {
    for processor in 0..<header.value.processorCount {
      var taken = self.processor(processor).value.slicesTaken
      while taken != 0 {
        let position = UInt64(truncatingIfNeeded: taken.trailingZeroBitCount)
        taken &= taken &- 1
        let index = processor &* UInt32(BooksLayout.slices) &+ UInt32(truncatingIfNeeded: position)
        if slices[index].ownerPlusOne == environment &+ 1 { dropSlice(UInt64(processor) &<< 8 | position) }
      }
    }
  }
}
