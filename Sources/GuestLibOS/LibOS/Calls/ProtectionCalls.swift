import CLibOS
import ExokernelABI

// Calls on capabilities and environments. What each checks and returns is told at `CallNumber`.
extension KernelCall {
  /// Puts a weaker capability than that of `slot` into the empty slot `into`.
  public static func deriveCapability(
    from slot: UInt64, into: UInt64, name: UInt64, length: UInt64, rights: Rights
  ) throws(CallError) {
    _ = try call(.capabilityDerive, slot, into, name, length | UInt64(rights.rawValue) &<< 32).value()
  }

  /// Lets `environment` fill the empty slot `slot`.
  public static func acceptCapability(slot: UInt64, from environment: UInt64) throws(CallError) {
    _ = try call(.capabilityAccept, slot, environment).value()
  }

  /// Puts the capability of `slot`, with those of its rights, into another environment's slot that accepts it.
  public static func grantCapability(_ slot: UInt64, to environment: UInt64, into: UInt64, rights: Rights)
    throws(CallError)
  {
    _ = try call(.capabilityGrant, slot, environment, into, UInt64(rights.rawValue)).value()
  }

  /// Empties a slot.
  public static func dropCapability(_ slot: UInt64) throws(CallError) { _ = try call(.capabilityDrop, slot).value() }

  /// Empties every other slot that holds a capability whose name starts with this one; returns how many.
  public static func destroyCapabilities(slot: UInt64, name: UInt64, length: UInt64) throws(CallError) -> UInt64 {
    try call(.capabilityDestroy, slot, name, length).value()
  }

  /// Makes an environment as `block` says; returns its handle, and puts a capability for it into the empty slot `into`.
  public static func createEnvironment(
    _ block: CreationBlock, capability slot: UInt64 = CapabilitySlot.own, into: UInt64
  )
    throws(CallError) -> UInt64
  {
    // Safe: the block has its place in the environment page, which is always mapped.
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.creationBlockOffset)
    unsafe UnsafeMutablePointer<CreationBlock>(bitPattern: place).unsafelyUnwrapped.pointee = block
    return try untilFound { call(.environmentCreate, slot, into) }
  }

  /// Lets an environment run.
  public static func startEnvironment(
    _ environment: UInt64, capability slot: UInt64, entry: UInt64, stack: UInt64, position: UInt64 = CallNumber.any
  ) throws(CallError) {
    _ = try call(.environmentStart, slot, environment, entry, stack, position).value()
  }

  /// Ends an environment.
  public static func destroyEnvironment(_ environment: UInt64, capability slot: UInt64) throws(CallError) {
    _ = try call(.environmentDestroy, slot, environment).value()
  }

  /// Gives an environment another guard.
  public static func guardEnvironment(_ environment: UInt64, capability slot: UInt64, name: UInt64, length: UInt64)
    throws(CallError)
  {
    _ = try call(.environmentGuard, slot, environment, name, length).value()
  }

  /// Moves a part of this environment's quota to one that it made, or takes it back where `amount` is negative.
  public static func moveQuota(
    of kind: ResourceKind, to environment: UInt64, capability slot: UInt64, amount: Int64
  ) throws(CallError) {
    _ = try call(.quotaMove, slot, environment, kind.rawValue, UInt64(bitPattern: amount)).value()
  }

  /// Asks an environment for `count` resources of a kind until the time-stamp `deadline`.
  public static func revoke(
    _ count: UInt64, of kind: ResourceKind, from environment: UInt64, capability slot: UInt64, deadline: UInt64
  ) throws(CallError) {
    _ = try call(.revoke, slot, environment, kind.rawValue | count &<< 32, deadline).value()
  }
}
