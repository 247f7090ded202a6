import ExokernelABI

/// A request to an environment to give something back.
@frozen public struct RevocationRequest: BitwiseCopyable {
  /// Time-stamp after which the kernel takes.
  public var deadline: UInt64
  /// How many resources of the kind the environment may own when the deadline comes.
  public var target: UInt32
  /// `ResourceKind`.
  public var kind: UInt32
  /// End of what the search for mapped frames has not seen: it goes down from the end of what is mapped at, for programs lie at the
  /// beginning.
  public var address: UInt64
  /// Where the search for frames that are not mapped is in the owner's list, 0 at its beginning; later the frame whose mappings go, or 0.
  public var frame: UInt32
  /// How many are asked for: more are never taken, whatever the environment has got meanwhile.
  public var count: UInt32
  /// 0 none, 1 to be told, 2 told, 3 the kernel takes what is not mapped, 4 it takes what is mapped once, 5 it counts the
  /// mappings of what is mapped more than once, 6 it takes that.
  public var stage: UInt32
  /// Entries of the repossession vector written.
  public var taken: UInt32
  /// Mappings of `frame` that were counted.
  public var mappings: UInt32
  /// Where `frame` is mapped first: the search goes on there.
  public var next: UInt64
}

/// Visible revocation, and the abort protocol. The kernel asks with an upcall; the libOS chooses what to give. Past the deadline the kernel
/// takes what is missing, in small steps, and writes down what it took.
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
    guard own.value.pressed & 1 &<< UInt64(index) == 0 else { throw .busy }
    let owned = environments[index].quotas[kind].used
    let count = UInt32(truncatingIfNeeded: call.count)
    guard count <= owned else { throw .exhausted }
    let request = RevocationRequest(
      deadline: call.deadline, target: owned &- count, kind: UInt32(truncatingIfNeeded: call.kind),
      address: AddressMap.largePages, frame: 0, count: count, stage: 1, taken: 0, mappings: 0, next: 0)
    return (index, request)
  }

  /// Asks the environment.
  func performRevoke(_ decoded: (index: UInt32, request: RevocationRequest)) {
    let (index, request) = decoded
    revocations[index] = request
    own.value.pressed |= 1 &<< UInt64(index)
    own.value.attention = 1
    let page = page(of: index)
    page.value.repossessed = 0
    page.value.revocationKind = UInt64(request.kind)
    page.value.revocationCount = UInt64(request.count)
    page.value.revocationDeadline = request.deadline
    // Who sleeps is told, too.
    countEvent(of: index)
  }

  /// True where an environment that waits has to run for a moment, to be told of a request. No term of a predicate held then.
  func mustBeTold(_ environment: UInt32) -> Bool {
    guard own.value.pressed & 1 &<< UInt64(environment) != 0, revocations[environment].stage == 1,
      environments[environment].revocationEntry != 0
    else { return false }
    page(of: environment).value.matchedTerm = 0
    return true
  }

  /// The entry at which an environment is told of a request, once for each; nil where there is nothing to tell.
  func takeRevocationEntry(of environment: UInt32) -> UInt64? {
    guard own.value.pressed & 1 &<< UInt64(environment) != 0, revocations[environment].stage == 1 else { return nil }
    let entry = environments[environment].revocationEntry
    // Who names an entry before the deadline is told even so.
    guard entry != 0 else { return nil }
    revocations[environment].stage = 2
    return entry
  }

  /// Forgets a request to an environment that ends.
  func dropRevocation(of environment: UInt32) {
    own.value.pressed &= ~(1 &<< UInt64(environment))
    revocations[environment].stage = 0
  }

  /// Looks after up to `limit` small steps of requests whose time is over; true while there is more to do at once.
  public func repossess(limit: UInt32) -> Bool {
    guard own.value.pressed != 0 else { return false }
    var rest = own.value.pressed
    var budget = limit
    while rest != 0, budget > 0 {
      let environment = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      while budget > 0, pressOn(environment) { budget &-= 1 }
    }
    return budget == 0
  }

  /// One step of one request; true where another one may follow at once.
  private func pressOn(_ environment: UInt32) -> Bool {
    let request = revocations.cell(at: environment)
    let owned = environments[environment].quotas.values[Int(truncatingIfNeeded: request.value.kind)].used
    if owned <= request.value.target || request.value.taken >= request.value.count {
      finish(environment)
      return false
    }
    if request.value.stage < 3 {
      guard hardware.timeStamp >= request.value.deadline else { return false }
      request.value.stage = 3
    }
    switch UInt64(request.value.kind) {
    case ResourceKind.frames.rawValue: return takeFrameByForce(environment)
    case ResourceKind.slices.rawValue: return takeSliceByForce(environment)
    default: return takeFilterByForce(environment)
    }
  }

  /// The request is met: the environment is told by an event where something was taken, and can be asked again.
  func finish(_ environment: UInt32) {
    let taken = revocations[environment].taken
    dropRevocation(of: environment)
    page(of: environment).value.revocationCount = 0
    if taken != 0 { countEvent(of: environment) }
  }
}
