import ExokernelABI

/// An empty slot, by its place in the table of all, and what it gets.
struct FilledSlot {
  var place: UInt32
  var capability: Capability
}

// Capabilities change hands: weaker ones are derived, receivers say from whom they take one, and a name can be taken
// from everybody.
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

  /// Checks `CallNumber.capabilityDerive`.
  func decodeCapabilityDerive(_ call: CapabilityDeriveArguments) throws(CallError) -> FilledSlot {
    let capability = try presented(call.slot)
    let rights = Rights(rawValue: UInt32(truncatingIfNeeded: call.rights))
    guard call.length <= 8, !rights.isEmpty else { throw .badArgument }
    let derived = Capability(name: call.name, length: UInt32(truncatingIfNeeded: call.length), rights: rights)
    guard derived.isValid else { throw .badArgument }
    guard capability.dominates(derived) else { throw .notPermitted }
    return FilledSlot(place: try emptySlot(call.into), capability: derived)
  }

  /// Fills the slot.
  func performCapabilityDerive(_ slot: FilledSlot) { fill(slot.place, slot.capability) }

  /// Checks `CallNumber.capabilityAccept`.
  func decodeCapabilityAccept(slot: UInt64, environment handle: UInt64) throws(CallError) -> (
    place: UInt32, giver: UInt64
  ) {
    let place = try emptySlot(slot)
    guard handle == Handle.none || environment(handle) != nil else { throw .noSuchResource }
    return (place, handle)
  }

  /// Notes who may fill the slot.
  func performCapabilityAccept(_ decoded: (place: UInt32, giver: UInt64)) {
    acceptances[decoded.place] = decoded.giver
  }

  /// Checks `CallNumber.capabilityGrant`.
  func decodeCapabilityGrant(slot: UInt64, environment handle: UInt64, into: UInt64, rights: UInt64)
    throws(CallError) -> FilledSlot
  {
    let capability = try presented(slot)
    guard capability.rights.contains(.grant) else { throw .notPermitted }
    guard let receiver = environment(handle) else { throw .noSuchResource }
    guard into < CapabilitySlot.count else { throw .badArgument }
    let kept = Rights(rawValue: capability.rights.rawValue & UInt32(truncatingIfNeeded: rights))
    guard !kept.isEmpty else { throw .badArgument }
    let place = self.slot(into, of: receiver)
    guard capabilities[place].rights.isEmpty, acceptances[place] == environments[current].handle else {
      throw .notAccepted
    }
    return FilledSlot(
      place: place, capability: Capability(name: capability.name, length: capability.length, rights: kept))
  }

  /// Fills the receiver's slot.
  func performCapabilityGrant(_ slot: FilledSlot) { fill(slot.place, slot.capability) }

  /// Checks `CallNumber.capabilityDrop`.
  func decodeCapabilityDrop(slot: UInt64) throws(CallError) -> UInt32 {
    _ = try presented(slot)
    return self.slot(slot, of: current)
  }

  /// Empties the slot.
  func performCapabilityDrop(_ place: UInt32) { capabilities[place] = .empty }

  /// Checks `CallNumber.capabilityDestroy`.
  func decodeCapabilityDestroy(slot: UInt64, name: UInt64, length: UInt64) throws(CallError) -> (
    presented: UInt32, target: Capability
  ) {
    let target = try guardArgument(name: name, length: length, try presented(slot), .revoke)
    return (self.slot(slot, of: current), target)
  }

  /// Empties every other slot whose capability's name starts with the target's; returns how many. Bounded by the table
  /// of all capabilities.
  func performCapabilityDestroy(_ decoded: (presented: UInt32, target: Capability)) -> UInt64 {
    var destroyed: UInt64 = 0
    for place in 0..<capabilities.count where place != decoded.presented {
      let held = capabilities.cell(at: place)
      guard !held.value.rights.isEmpty, decoded.target.allows(.none, guardName: held.value.guardName) else { continue }
      held.value = .empty
      destroyed &+= 1
    }
    return destroyed
  }
}
