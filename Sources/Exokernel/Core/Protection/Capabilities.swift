import ExokernelABI

// Looking capabilities up: the slot, the resource's guard, the right. Calls on frames check with `require` or `permits`
// in Memory/Frames.swift; those that take something new check rights alone; `mapOwn` and `callSleeper` repeat the test
// in line.
extension Kernel {
  /// The capability in `slot` of the running environment, if the slot holds one.
  @inline(__always) func capability(_ slot: UInt64) -> Capability? {
    guard slot < CapabilitySlot.count else { return nil }
    let found = ownCapability(slot).value
    return found.rights.isEmpty ? nil : found
  }

  /// The same for a slot that is one, empty or not. Only where an environment runs.
  @inline(__always) func ownCapability(_ slot: UInt64) -> Cell<Capability> {
    // Safe: who runs is one of the environments, and the callers have checked the slot.
    unsafe Cell(UnsafeMutableRawPointer(capabilities.base + Int(self.slot(slot, of: current))))
  }

  /// The capability in `slot` of the running environment, which a call needs.
  @inline(__always) func presented(_ slot: UInt64) throws(CallError) -> Capability {
    guard let capability = capability(slot) else { throw .noSuchCapability }
    return capability
  }

  /// The name of `length` bytes that a call gives for a guard, where `capability` dominates it with `needed`.
  func guardArgument(name: UInt64, length: UInt64, _ capability: Capability, _ needed: Rights) throws(CallError)
    -> Capability
  {
    guard length <= 8 else { throw .badArgument }
    let wanted = Capability(name: name, length: UInt32(truncatingIfNeeded: length), rights: .none)
    guard wanted.isValid else { throw .badArgument }
    guard capability.allows(needed, guardName: wanted.guardName) else { throw .notPermitted }
    return wanted
  }

  /// Where slot `slot`, below `CapabilitySlot.count`, of an environment is in the table.
  @inline(__always) func slot(_ slot: UInt64, of environment: UInt32) -> UInt32 {
    environment &* UInt32(CapabilitySlot.count) &+ UInt32(truncatingIfNeeded: slot)
  }

  /// Nil where the capability in `slot` dominates a guard with `rights`; otherwise what the call is refused with.
  @inline(__always) func refusal(_ slot: UInt64, _ rights: Rights, guardName: UInt64) -> CallError? {
    guard slot < CapabilitySlot.count else { return .noSuchCapability }
    let capability = ownCapability(slot)
    // An empty slot has no rights, so the usual case need not ask for it.
    guard capability.value.allows(rights, guardName: guardName) else {
      return capability.value.rights.isEmpty ? .noSuchCapability : .notPermitted
    }
    return nil
  }

  /// Throws what the call is refused with where the capability in `slot` does not dominate a guard with `rights`.
  @inline(__always) func require(_ slot: UInt64, _ rights: Rights, guardName: UInt64) throws(CallError) {
    if let error = refusal(slot, rights, guardName: guardName) { throw error }
  }

  /// The environment that `handle` names, if it has not ended.
  @inline(__always) func environment(_ handle: UInt64) -> UInt32? { environments.index(of: handle) }

  /// True for an environment that was created and has not ended.
  @inline(__always) func isLive(_ index: UInt32) -> Bool { environments[index].isInUse }

  /// The environment that `handle` names, where the capability in `slot` dominates its guard with `rights`.
  @inline(__always) func environment(_ handle: UInt64, slot: UInt64, _ rights: Rights) throws(CallError) -> UInt32 {
    guard let index = environment(handle) else { throw .noSuchResource }
    try require(slot, rights, guardName: environments.cell(at: index).value.guardName)
    return index
  }

  /// The environment whose page table `table` means: the caller's own, or one that a capability controls.
  @inline(__always) func tableOwner(_ table: UInt64) throws(CallError) -> UInt32 {
    if table == Handle.own { return current }
    let other = TableArgument(rawValue: table)
    return try environment(other.environment, slot: other.slot, .control)
  }
}
