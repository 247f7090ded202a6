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
  /// Resources that the kernel has taken.
  public var taken: UInt32
  /// Frames that the kernel has chosen to take and not taken yet.
  public var chosen: UInt32
  /// In a search in the list of the owner's frames, the next one, or 0 at the list's end.
  public var cursor: UInt32
  /// Entries of the repossession vector written since the last request; it counts on where there is no request.
  public var told: UInt32
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
  /// The kernel chooses frames. Those that are chosen are revoked: nobody moves them out of the way any more.
  case choosing(FrameSearch)
  /// A large frame was revoked, and is made single frames after the sweep of this number.
  case breaking(frame: UInt32, sweep: UInt64)
  /// All frames are chosen. They are taken after the sweep of this number, those that a device works on when its
  /// request ends.
  case collecting(sweep: UInt64)
}

/// Where the kernel looks for frames to take, in this order.
@frozen public enum FrameSearch: BitwiseCopyable {
  /// In the list of the owner's frames, for memory that nobody maps or pins.
  case unused
  /// In the owner's page table, from the highest address down, for programs lie at the lowest: memory of its own that
  /// is not pinned. `end` is the end of the addresses that are still to be looked at.
  case mapped(end: UInt64)
  /// In the list, for all other memory.
  case memory
  /// In the list, for a large frame.
  case large
  /// In the owner's page table, from the highest address down, for page tables of this level.
  case tables(level: UInt64, end: UInt64)
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
    let owned = owned(by: index, kind)
    let count = UInt32(truncatingIfNeeded: call.count)
    guard count <= owned else { throw .exhausted }
    let request = RevocationRequest(
      deadline: call.deadline, target: owned &- count, kind: UInt32(truncatingIfNeeded: call.kind),
      count: count, taken: 0, chosen: 0, cursor: 0, told: 0, stage: .announced)
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

  /// True where the deadline of a request is over and it was not met before.
  func isTaking(from environment: UInt32) -> Bool {
    guard kernelPrivate.value.asked & 1 &<< UInt64(environment) != 0 else { return false }
    switch revocations[environment].stage {
    case .announced, .told: return false
    default: return true
    }
  }

  /// How much of a kind an environment owns itself: what it has given to those that it made is not its own.
  func owned(by environment: UInt32, _ kind: ResourceKind) -> UInt32 {
    var owned = environments[environment].quotas[kind].used
    for index in 0..<environments.count
    where environments[index].creatorPlusOne == environment &+ 1
      && environments[index].state != EnvironmentState.free.rawValue
    {
      owned &-= environments[index].quotas[kind].limit
    }
    return owned
  }

  /// Forgets a request, which was met, or whose environment ends.
  func dropRevocation(of environment: UInt32) {
    kernelPrivate.value.asked &= ~(1 &<< UInt64(environment))
    kernelPrivate.value.choosing &= ~(1 &<< UInt64(environment))
    revocations[environment].count = 0
  }

  /// Throws `again` where the kernel chooses frames of an environment that did not give what it was asked for: the list
  /// of its frames does not grow meanwhile, so the search comes to an end.
  @inline(__always) func requireGrowth(of environment: UInt32) throws(CallError) {
    guard kernelPrivate.value.choosing & 1 &<< UInt64(environment) == 0 else { throw .again }
  }

  /// When to look after a request of an environment again: at its deadline, or from time to time where a device works
  /// on what was chosen.
  func nextLook(of environment: UInt32, now: UInt64) -> UInt64 {
    guard case .collecting = revocations[environment].stage else { return revocations[environment].deadline }
    return now &+ header.value.sliceLength
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
    switch request.value.stage {
    case .announced, .told:
      guard missing(environment, request) != 0 else { return finish(environment) }
      guard hardware.timeStamp >= request.value.deadline else { return false }
      startTaking(environment, request)
      return true
    case .taking:
      guard missing(environment, request) != 0 else { return finish(environment) }
      return UInt64(request.value.kind) == ResourceKind.slices.rawValue
        ? takeSliceByForce(environment) : takeFilterByForce(environment)
    case .choosing(let search):
      guard request.value.chosen < missing(environment, request) else { return startCollecting(environment, request) }
      return choose(environment, request, search)
    case .breaking(let frame, let sweep): return breakRevoked(frame, of: environment, request, after: sweep)
    case .collecting(let sweep): return collect(environment, request, after: sweep)
    }
  }

  /// How many of what was asked for are still to be taken. Of frames, those that are chosen count as still owned.
  private func missing(_ environment: UInt32, _ request: Cell<RevocationRequest>) -> UInt32 {
    guard let kind = ResourceKind(rawValue: UInt64(request.value.kind)) else { return 0 }
    let owned = owned(by: environment, kind)
    guard owned > request.value.target, request.value.taken < request.value.count else { return 0 }
    let rest = request.value.count &- request.value.taken
    let excess = owned &- request.value.target
    return excess < rest ? excess : rest
  }

  /// The deadline is over: from now on the kernel takes.
  private func startTaking(_ environment: UInt32, _ request: Cell<RevocationRequest>) {
    guard UInt64(request.value.kind) == ResourceKind.frames.rawValue else {
      request.value.stage = .taking
      return
    }
    kernelPrivate.value.choosing |= 1 &<< UInt64(environment)
    request.value.cursor = environments[environment].firstFrame
    request.value.stage = .choosing(.unused)
  }

  /// Enough frames are chosen, or all that may be taken.
  func startCollecting(_ environment: UInt32, _ request: Cell<RevocationRequest>) -> Bool {
    guard request.value.chosen != 0 else { return finish(environment) }
    kernelPrivate.value.choosing &= ~(1 &<< UInt64(environment))
    request.value.cursor = environments[environment].firstFrame
    request.value.stage = .collecting(sweep: wantSweep())
    return true
  }

  /// The request is over: it is met, or there is nothing more that may be taken. The environment is told by
  /// an event where something was taken, and can be asked again. False: no step follows.
  @discardableResult func finish(_ environment: UInt32) -> Bool {
    let isTaking = isTaking(from: environment)
    dropRevocation(of: environment)
    page(of: environment).value.revocationCount = 0
    if isTaking { countEvent(of: environment) }
    return false
  }
}
