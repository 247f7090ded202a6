import ExokernelABI

// Bindings that keep a frame in place: regions, filters' rings, predicates. None of them keeps the frame from being
// taken, and a predicate does not keep the owner from giving it away either.
extension Kernel {
  /// Unbinds what pins a frame, but for requests of devices, and tells those who had bound it.
  func dropBindings(of frame: UInt32) {
    for index in 0..<regions.count where regions[index].ownerPlusOne != 0 && regions[index].frame == frame {
      let (owner, handle) = (regions[index].ownerPlusOne &- 1, Handle.of(index, generation: regions[index].generation))
      unbindRegion(index)
      tell(owner, of: handle, Repossession.region)
    }
    for index in 0..<filters.count where filters[index].ownerPlusOne != 0 && ring(of: index, has: frame) {
      let (owner, handle) = (filters[index].ownerPlusOne &- 1, Handle.of(index, generation: filters[index].generation))
      unbindFilter(index)
      tell(owner, of: handle, Repossession.ring)
    }
    dropPredicates(on: frame)
  }

  /// True where a bound filter's ring has the frame.
  private func ring(of filter: UInt32, has frame: UInt32) -> Bool {
    if filters[filter].ringFrame == frame { return true }
    for position in 0..<(ringBindings[filter].mask &+ 1) / 2
    where ringFrames[filter &* RingBinding.maximumFrames &+ position] == frame {
      return true
    }
    return false
  }

  /// True where nothing pins a frame, or only predicates of others than its owner do, which `dropPredicates` unbinds.
  func hasNoPins(_ frame: UInt32) -> Bool {
    let pins = frames[frame].pins
    return pins == 0 || UInt32(pins) == foreignPredicatePins(frame)
  }

  /// How many pins of a frame are of predicates that others than its owner have bound; 0 where its owner has bound one
  /// on it, too. Bounded by the table of predicates.
  private func foreignPredicatePins(_ frame: UInt32) -> UInt32 {
    var count: UInt32 = 0
    for environment in 0..<environments.count where predicates[environment].count != 0 {
      let own = pins(ofPredicateOf: environment, on: frame)
      if own != 0, environment == UInt32(frames[frame].owner) { return 0 }
      count &+= own
    }
    return count
  }

  /// How many comparisons of an environment's predicate look at a frame.
  private func pins(ofPredicateOf environment: UInt32, on frame: UInt32) -> UInt32 {
    var count: UInt32 = 0
    for index in 0..<Int(truncatingIfNeeded: predicates[environment].count)
    where predicates[environment].comparisons[index].word &>> 12 == UInt64(frame) {
      count &+= 1
    }
    return count
  }

  /// Unbinds the predicates that look at a frame; who waits for one goes on, with no term that held, and is told.
  func dropPredicates(on frame: UInt32) {
    guard frames[frame].pins != 0 else { return }
    for environment in 0..<environments.count where pins(ofPredicateOf: environment, on: frame) != 0 {
      unbindPredicate(of: environment)
      page(of: environment).value.matchedTerm = 0
      if environments[environment].state == EnvironmentState.waiting.rawValue {
        environments[environment].state = EnvironmentState.runnable.rawValue
      }
      tell(environment, of: UInt64(frame), Repossession.predicate)
    }
  }
}
