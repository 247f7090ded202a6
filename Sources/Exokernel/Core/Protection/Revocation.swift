import ExokernelABI

/// A request to an environment to give something back.
@frozen public struct RevocationRequest: BitwiseCopyable {
  /// Time-stamp after which the kernel takes.
  public var deadline: UInt64
  /// How many resources of the kind the environment may own when the deadline comes.
  public var target: UInt32
  /// `ResourceKind`.
  public var kind: UInt32
  /// How many are asked for: more are never taken, whatever the environment has got meanwhile. 0 where there is no
  /// request.
  public var count: UInt32
  /// Entries of the repossession vector written.
  public var taken: UInt32
  /// What the request has come to.
  public var stage: RevocationStage
}

/// What a request has come to. Before the deadline it is the environment's, behind it the kernel's, which takes in
/// steps.
@frozen public enum RevocationStage: BitwiseCopyable {
  /// The environment has not been told yet.
  case announced
  /// The environment was told, and gives what it chooses until the deadline.
  case told
  /// The kernel takes slices, or filters, as the request's kind says, lowest index first.
  case taking
  /// The kernel takes frames that are not mapped. `next` is the place in the list of the owner's frames, 0 its
  /// beginning.
  case takingUnmapped(next: UInt32)
  /// The kernel takes frames that are mapped.
  case takingMapped(MappingSearch)
}

/// A search in the page table of an environment, from the highest address down, for programs lie at the lowest.
@frozen public struct MappingSearch: BitwiseCopyable {
  /// End of the addresses that are still to be looked at.
  public var end: UInt64
  /// What is looked for.
  public var goal: Goal

  /// What a search looks for.
  @frozen public enum Goal: BitwiseCopyable {
    /// Frames that have one mapping, which are taken at once.
    case mappedOnce
    /// A frame that has several mappings.
    case shared
    /// The other mappings of such a frame, of which so many were found: all of them must be the environment's own.
    case mappings(of: SharedFrame, found: UInt32)
    /// The same mappings once more: each is removed, and the frame is taken with the last one.
    case removal(of: SharedFrame)
  }

  /// A search in everything that can be mapped by ordinary pages.
  static func all(_ goal: Goal) -> MappingSearch { MappingSearch(end: AddressMap.largePages, goal: goal) }
}

/// A frame with several mappings.
@frozen public struct SharedFrame: BitwiseCopyable {
  /// Its number.
  public var frame: UInt32
  /// The highest address at which it is mapped: the search for the next one goes on below.
  public var address: UInt64
}

/// Visible revocation, and the abort protocol. The kernel asks with an upcall; the libOS chooses what to give. Past the
/// deadline the kernel takes what is missing, in small steps, and writes down what it took.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  @inline(__always) var revocations: Table<RevocationRequest> {
    unsafe Table(hardware.privateBase + PrivateLayout.revocations, count: UInt32(BooksLayout.environments))
  }

  /// Checks `CallNumber.revoke`: whom it asks, and how.
  func decodeRevoke(_ call: RevokeArguments) throws(CallError) -> (index: UInt32, request: RevocationRequest) {
    let index = try environment(call.environment, slot: call.slot, .revoke)
    guard let kind = ResourceKind(rawValue: call.kind), call.kind <= ResourceKind.filters.rawValue, call.count >= 1,
      call.count <= EnvironmentPage.repossessionCapacity
    else { throw .badArgument }
    guard kernelPrivate.value.asked & 1 &<< UInt64(index) == 0 else { throw .busy }
    let owned = environments[index].quotas[kind].used
    let count = UInt32(truncatingIfNeeded: call.count)
    guard count <= owned else { throw .exhausted }
    let request = RevocationRequest(
      deadline: call.deadline, target: owned &- count, kind: UInt32(truncatingIfNeeded: call.kind),
      count: count, taken: 0, stage: .announced)
    return (index, request)
  }

  /// Asks the environment.
  func performRevoke(_ decoded: (index: UInt32, request: RevocationRequest)) {
    let (index, request) = decoded
    revocations[index] = request
    kernelPrivate.value.asked |= 1 &<< UInt64(index)
    kernelPrivate.value.needsChores = 1
    let page = page(of: index)
    page.value.repossessed = 0
    page.value.revocationKind = UInt64(request.kind)
    page.value.revocationCount = UInt64(request.count)
    page.value.revocationDeadline = request.deadline
    // Who sleeps is told, too.
    countEvent(of: index)
  }

  /// True where an environment is asked for something and has not been told yet.
  private func isUntold(_ environment: UInt32) -> Bool {
    guard kernelPrivate.value.asked & 1 &<< UInt64(environment) != 0, case .announced = revocations[environment].stage
    else {
      return false
    }
    return true
  }

  /// True where an environment that waits has to run for a moment, to be told of a request. No term of a predicate held
  /// then.
  func mustBeTold(_ environment: UInt32) -> Bool {
    guard isUntold(environment), environments[environment].revocationEntry != 0 else { return false }
    page(of: environment).value.matchedTerm = 0
    return true
  }

  /// The entry at which an environment is told of a request, once for each; nil where there is nothing to tell.
  func takeRevocationEntry(of environment: UInt32) -> UInt64? {
    guard isUntold(environment) else { return nil }
    let entry = environments[environment].revocationEntry
    // Without an entry the request stays announced: an environment that binds one before the deadline is told then.
    guard entry != 0 else { return nil }
    revocations[environment].stage = .told
    return entry
  }

  /// Forgets a request, which was met, or whose environment ends.
  func dropRevocation(of environment: UInt32) {
    kernelPrivate.value.asked &= ~(1 &<< UInt64(environment))
    revocations[environment].count = 0
  }

  /// Looks after up to `limit` small steps of requests whose time is over; true while there is more to do at once.
  public func repossess(limit: UInt32) -> Bool {
    guard kernelPrivate.value.asked != 0 else { return false }
    var rest = kernelPrivate.value.asked
    var budget = limit
    while rest != 0, budget > 0 {
      let environment = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      while budget > 0, advanceRevocation(environment) { budget &-= 1 }
    }
    return budget == 0
  }

  /// One step of one request; true where another one may follow at once.
  private func advanceRevocation(_ environment: UInt32) -> Bool {
    let request = revocations.cell(at: environment)
    let owned = environments[environment].quotas.values[Int(truncatingIfNeeded: request.value.kind)].used
    if owned <= request.value.target || request.value.taken >= request.value.count {
      finish(environment)
      return false
    }
    switch request.value.stage {
    case .announced, .told:
      guard hardware.timeStamp >= request.value.deadline else { return false }
      let isFrames = UInt64(request.value.kind) == ResourceKind.frames.rawValue
      request.value.stage = isFrames ? .takingUnmapped(next: 0) : .taking
    default: break
    }
    switch request.value.stage {
    case .takingUnmapped(let next): return takeUnmappedFrame(environment, request, next: next)
    case .takingMapped(let search): return takeMappedFrame(environment, request, search)
    default:
      return UInt64(request.value.kind) == ResourceKind.slices.rawValue
        ? takeSliceByForce(environment) : takeFilterByForce(environment)
    }
  }

  /// The request is over: it is met, or there is nothing more that may be taken. The environment is told by
  /// an event where something was taken, and can be asked again.
  func finish(_ environment: UInt32) {
    let taken = revocations[environment].taken
    dropRevocation(of: environment)
    page(of: environment).value.revocationCount = 0
    if taken != 0 { countEvent(of: environment) }
  }
}
