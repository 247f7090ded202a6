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
  /// Where the search for frames that are not mapped is in the owner's list; 0 at its beginning.
  public var frame: UInt32
  /// Zero.
  public var reserved: UInt32
  /// 0 none, 1 to be told, 2 told, 3 the kernel takes what is not mapped, 4 it takes what is.
  public var stage: UInt32
  /// Entries of the repossession vector written.
  public var taken: UInt32
}

/// Visible revocation, and the abort protocol. The kernel asks with an upcall; the libOS chooses what to give. Past the deadline the kernel
/// takes what is missing, in small steps, and writes down what it took.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  @inline(__always) var revocations: Table<RevocationRequest> {
    unsafe Table(machine.privateBase + PrivateLayout.revocations, count: UInt32(BooksLayout.environments))
  }

  /// `CallNumber.revoke`.
  public func revoke(slot: UInt64, environment handle: UInt64, kindAndCount: UInt64, deadline: UInt64) -> CallResult {
    do throws(CallError) {
      let index = try environment(handle, slot: slot, .revoke)
      let kind = kindAndCount & 0xffff_ffff
      let count = kindAndCount &>> 32
      guard kind <= ResourceKind.filters.rawValue, count >= 1, count <= EnvironmentPage.repossessionCapacity else {
        throw .badArgument
      }
      guard own.value.pressed & 1 &<< UInt64(index) == 0 else { throw .busy }
      let owned = environments[index].quotas[Int(truncatingIfNeeded: kind)].used
      let number = UInt32(truncatingIfNeeded: count)
      guard number <= owned else { throw .exhausted }
      revocations[index] = RevocationRequest(
        deadline: deadline, target: owned &- number, kind: UInt32(truncatingIfNeeded: kind),
        address: AddressMap.largePages, frame: 0, reserved: 0, stage: 1, taken: 0)
      own.value.pressed |= 1 &<< UInt64(index)
      own.value.attention = 1
      let page = page(of: index)
      page.value.repossessed = 0
      page.value.revocationKind = kind
      page.value.revocationCount = count
      page.value.revocationDeadline = deadline
      // Who sleeps is told, too.
      countEvent(of: index)
      return .success
    } catch {
      return refuse(error)
    }
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
    let owned = environments[environment].quotas[Int(truncatingIfNeeded: request.value.kind)].used
    if owned <= request.value.target {
      finish(environment)
      return false
    }
    if request.value.stage < 3 {
      guard machine.timeStamp >= request.value.deadline else { return false }
      request.value.stage = 3
    }
    switch UInt64(request.value.kind) {
    case ResourceKind.frames.rawValue: return takeFrameByForce(environment)
    case ResourceKind.slices.rawValue: return takeSliceByForce(environment)
    default: return takeFilterByForce(environment)
    }
  }

  /// The request is met: the environment is told by an event where something was taken, and can be asked again.
  private func finish(_ environment: UInt32) {
    let taken = revocations[environment].taken
    dropRevocation(of: environment)
    if taken != 0 { countEvent(of: environment) }
  }

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

  private func takeSliceByForce(_ environment: UInt32) -> Bool {
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

  private func takeFilterByForce(_ environment: UInt32) -> Bool {
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
  private func takeFrameByForce(_ environment: UInt32) -> Bool {
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

  /// Takes the next frame that nobody but the environment itself has mapped, once, and that nothing pins.
  private func takeMappedFrame(_ environment: UInt32, _ request: Cell<RevocationRequest>) -> Bool {
    guard request.value.address != 0 else {
      // Everything was looked at, and what is left is shared or pinned: it cannot be taken without harm to others.
      finish(environment)
      return false
    }
    let address = request.value.address &- AddressMap.pageSize
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
    request.value.address = address
    let entry = tableEntry(table, address &>> 12)
    let frame = UInt32(truncatingIfNeeded: (entry & PageEntry.addressMask) &>> 12)
    guard entry & PageEntry.present != 0, frames[frame].kind == FrameKind.memory.rawValue,
      UInt32(frames[frame].owner) == environment, frames[frame].references == 1, frames[frame].pins == 0
    else { return true }
    setTableEntry(table, address &>> 12, 0)
    frames[frame].references = 0
    forgetTranslations(environment, address)
    returnFrame(frame)
    note(environment, UInt64(frame), address)
    return true
  }
}
