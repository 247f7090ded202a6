import ExokernelABI

// The abort protocol: what an environment does not give back in time, the kernel takes, and writes down. The functions
// that take do one step, and return true where another one may follow at once; false where the request is over, or
// where something else has to happen first.
extension Kernel {
  /// Counts something that was taken for the request of an environment.
  func countTaken(_ environment: UInt32) {
    revocations[environment].taken &+= 1
    header.value.counters.repossessions &+= 1
  }

  /// One step: takes the slice with the lowest index, but not the last one.
  func takeSliceByForce(_ environment: UInt32) -> Bool {
    for processor in 0..<header.value.processorCount {
      for position in 0..<BooksLayout.slices {
        let index = processor &* UInt32(BooksLayout.slices) &+ UInt32(truncatingIfNeeded: position)
        guard slices[index].ownerPlusOne == environment &+ 1 else { continue }
        // The last one is not taken: without it nobody could be told of anything.
        guard hasSlice(environment, besides: index) else { return finish(environment) }
        dropSlice(UInt64(processor) &<< 8 | position)
        countTaken(environment)
        tell(environment, of: UInt64(processor) &<< 8 | position, Repossession.asked)
        return true
      }
    }
    return finish(environment)
  }

  /// One step: unbinds the filter with the lowest index.
  func takeFilterByForce(_ environment: UInt32) -> Bool {
    for index in 0..<filters.count where filters[index].ownerPlusOne == environment &+ 1 {
      let handle = Handle.of(index, generation: filters[index].generation)
      unbindFilter(index)
      countTaken(environment)
      tell(environment, of: handle, Repossession.asked)
      return true
    }
    return finish(environment)
  }

  /// Makes single frames of a revoked large one, once nobody maps it: they are its owner's, and the next ones to be
  /// chosen. Bounded by their number.
  func breakRevoked(_ frame: UInt32, of environment: UInt32, _ request: Cell<RevocationRequest>, after sweep: UInt64)
    -> Bool
  {
    // What an ended environment mapped the reaper lets go of.
    guard kernelPrivate.value.sweep.ended >= sweep, frames[frame].references == 0 else { return false }
    let name = frames[frame].guardName
    unlinkOwned(frame, weight: FrameRecord.largeWeight)
    for part in frame..<frame &+ FrameRecord.largeWeight { keep(part, .memory(of: environment), guardName: name) }
    request.value.cursor = environments[environment].firstFrame
    request.value.stage = .choosing(.unused)
    return true
  }

  /// Takes the next frames that are chosen and that nobody reaches any more, once the sweep is over. What a device
  /// works on is looked at again later.
  func collect(_ environment: UInt32, _ request: Cell<RevocationRequest>, after sweep: UInt64) -> Bool {
    guard kernelPrivate.value.sweep.ended >= sweep else { return false }
    for _ in 0..<Self.framesPerStep {
      let frame = request.value.cursor
      guard frame != 0 else { break }
      let next = frames[frame].next
      if frames[frame].isRevoked, frames[frame].references == 0, frames[frame].pins == 0 {
        let isTold = frames[frame].identity.allowed != 0
        returnFrame(frame)
        request.value.chosen &-= 1
        countTaken(environment)
        // Only others had mapped it.
        if !isTold { tell(environment, of: UInt64(frame), Repossession.notMapped) }
        guard request.value.chosen != 0 else { return finish(environment) }
      }
      request.value.cursor = next
    }
    guard request.value.cursor == 0 else { return true }
    request.value.cursor = environments[environment].firstFrame
    // Chains that the device has sent keep frames until somebody looks.
    for index in 0..<header.value.interfaceCount { reclaimSent(index) }
    return false
  }

  /// Frames of a list that one step looks at.
  static var framesPerStep: Int { 16 }
}
