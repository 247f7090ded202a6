import ExokernelABI

// Looks up the caller's capabilities. Most calls check with `refusal` here, or with `permits` in Memory/Frames.swift; calls
// that allocate check the right only; `mapOwn` and `callSleeper` repeat the test inline, because they are called most.
extension Kernel {
  /// The capability in `slot` of the running environment, if the slot holds one.
  @inline(__always) func capability(_ slot: UInt64) -> Capability? {
    guard slot < CapabilitySlot.count else { return nil }
    let found = capabilities[self.slot(slot, of: current)]
    return found.rights.isEmpty ? nil : found
  }

  /// Where slot `slot`, below `CapabilitySlot.count`, of an environment is in the table.
  @inline(__always) func slot(_ slot: UInt64, of environment: UInt32) -> UInt32 {
    environment &* UInt32(CapabilitySlot.count) &+ UInt32(truncatingIfNeeded: slot)
  }

  /// Nil where the capability in `slot` dominates a guard with `rights`; otherwise what the call is refused with.
  @inline(__always) func refusal(_ slot: UInt64, _ rights: Rights, guardName: UInt64) -> CallError? {
    guard slot < CapabilitySlot.count else { return .noSuchCapability }
    let capability = capabilities.cell(at: self.slot(slot, of: current))
    // An empty slot has no rights, so the usual case need not ask for it.
    guard capability.value.allows(rights, guardName: guardName) else {
      return capability.value.rights.isEmpty ? .noSuchCapability : .notPermitted
    }
    return nil
  }

  /// The environment that `handle` names, if it has not ended.
  @inline(__always) func environment(_ handle: UInt64) -> UInt32? { environments.index(of: handle) }

  /// True for an environment that was created and has not ended.
  @inline(__always) func isLive(_ index: UInt32) -> Bool { environments[index].isInUse }

  /// The environment that `handle` names, where the capability in `slot` dominates its guard with `rights`.
  @inline(__always) func environment(_ handle: UInt64, slot: UInt64, _ rights: Rights) throws(CallError) -> UInt32 {
    guard let index = environment(handle) else { throw .noSuchResource }
    let record = environments.cell(at: index)
    if let error = refusal(slot, rights, guardName: record.value.guardName) { throw error }
    return index
  }

  /// The environment whose page table `table` means: the caller's own, or one that a capability controls.
  @inline(__always) func tableOwner(_ table: UInt64) throws(CallError) -> UInt32 {
    if table == Handle.own { return current }
    let other = TableArgument(rawValue: table)
    return try environment(other.environment, slot: other.slot, .control)
  }
}
