import ExokernelABI

// Capabilities change hands: weaker ones are derived, receivers say from whom they take one, and a name can be taken from everybody.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  /// Who may fill a slot: a handle, or `Handle.none`.
  @inline(__always) var acceptances: Table<UInt64> {
    unsafe Table(
      hardware.privateBase + PrivateLayout.acceptances,
      count: UInt32(BooksLayout.environments * CapabilitySlot.count))
  }

  /// An empty slot of the running environment's.
  func emptySlot(_ slot: UInt64) throws(CallError) -> UInt32 {
    guard slot < CapabilitySlot.count else { throw .noSuchCapability }
    let place = self.slot(slot, of: current)
    guard capabilities[place].rights.isEmpty else { throw .busy }
    return place
  }

  /// Fills an empty slot; nobody else may from now on.
  func fill(_ place: UInt32, _ capability: Capability) {
    capabilities[place] = capability
    acceptances[place] = Handle.none
  }

  /// `CallNumber.capabilityDerive`.
  public func capabilityDerive(_ call: CapabilityDeriveArguments) -> CallResult {
    guard let capability = capability(call.slot) else { return refuse(.noSuchCapability) }
    let rights = Rights(rawValue: UInt32(truncatingIfNeeded: call.rights))
    guard call.length <= 8, !rights.isEmpty else { return refuse(.badArgument) }
    let derived = Capability(name: call.name, length: UInt32(truncatingIfNeeded: call.length), rights: rights)
    guard derived.isValid else { return refuse(.badArgument) }
    guard capability.dominates(derived) else { return refuse(.notPermitted) }
    do throws(CallError) {
      fill(try emptySlot(call.into), derived)
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityAccept`.
  public func capabilityAccept(slot: UInt64, environment handle: UInt64) -> CallResult {
    do throws(CallError) {
      let place = try emptySlot(slot)
      guard handle == Handle.none || environment(handle) != nil else { throw .noSuchResource }
      acceptances[place] = handle
      return .success
    } catch {
      return refuse(error)
    }
  }

  /// `CallNumber.capabilityGrant`.
  public func capabilityGrant(slot: UInt64, environment handle: UInt64, into: UInt64, rights: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard capability.rights.contains(.grant) else { return refuse(.notPermitted) }
    guard let receiver = environment(handle) else { return refuse(.noSuchResource) }
    guard into < CapabilitySlot.count else { return refuse(.badArgument) }
    let kept = Rights(rawValue: capability.rights.rawValue & UInt32(truncatingIfNeeded: rights))
    guard !kept.isEmpty else { return refuse(.badArgument) }
    let place = self.slot(into, of: receiver)
    guard capabilities[place].rights.isEmpty, acceptances[place] == environments[current].handle else {
      return refuse(.notAccepted)
    }
    fill(place, Capability(name: capability.name, length: capability.length, rights: kept))
    return .success
  }

  /// `CallNumber.capabilityDrop`.
  public func capabilityDrop(slot: UInt64) -> CallResult {
    guard capability(slot) != nil else { return refuse(.noSuchCapability) }
    capabilities[self.slot(slot, of: current)] = .empty
    return .success
  }

  /// `CallNumber.capabilityDestroy`. Bounded by the table of all capabilities.
  public func capabilityDestroy(slot: UInt64, name: UInt64, length: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard length <= 8 else { return refuse(.badArgument) }
    let target = Capability(name: name, length: UInt32(truncatingIfNeeded: length), rights: .none)
    guard target.isValid else { return refuse(.badArgument) }
    guard capability.allows(.revoke, guardName: target.guardName) else {
      return refuse(.notPermitted)
    }
    let presented = self.slot(slot, of: current)
    var destroyed: UInt64 = 0
    for place in 0..<capabilities.count where place != presented {
      let held = capabilities.cell(at: place)
      guard !held.value.rights.isEmpty,
        target.allows(.none, guardName: held.value.guardName)
      else { continue }
      held.value = .empty
      destroyed &+= 1
    }
    return CallResult(destroyed)
  }
}
