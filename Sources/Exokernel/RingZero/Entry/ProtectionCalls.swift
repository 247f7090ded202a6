import ExokernelABI
import ExokernelCore

// The call table's entries for capabilities and environments; see Calls.swift.

@c(call_capability_derive)
func callCapabilityDerive(_ slot: UInt64, _ into: UInt64, _ name: UInt64, _ lengthAndRights: UInt64) -> Int64 {
  kernel.capabilityDerive(slot: slot, into: into, name: name, lengthAndRights: lengthAndRights).rawValue
}

@c(call_capability_accept) func callCapabilityAccept(_ slot: UInt64, _ environment: UInt64) -> Int64 {
  kernel.capabilityAccept(slot: slot, environment: environment).rawValue
}

@c(call_capability_grant)
func callCapabilityGrant(_ slot: UInt64, _ environment: UInt64, _ into: UInt64, _ rights: UInt64) -> Int64 {
  kernel.capabilityGrant(slot: slot, environment: environment, into: into, rights: rights).rawValue
}

@c(call_capability_drop) func callCapabilityDrop(_ slot: UInt64) -> Int64 { kernel.capabilityDrop(slot: slot).rawValue }

@c(call_capability_destroy) func callCapabilityDestroy(_ slot: UInt64, _ name: UInt64, _ length: UInt64) -> Int64 {
  kernel.capabilityDestroy(slot: slot, name: name, length: length).rawValue
}

@c(call_environment_create) func callEnvironmentCreate(_ slot: UInt64, _ into: UInt64) -> Int64 {
  kernel.environmentCreate(slot: slot, into: into).rawValue
}

@c(call_environment_start)
func callEnvironmentStart(
  _ slot: UInt64, _ environment: UInt64, _ entry: UInt64, _ stack: UInt64, _ position: UInt64
) -> Int64 {
  kernel.environmentStart(slot: slot, environment: environment, entry: entry, stack: stack, position: position).rawValue
}

@c(call_environment_destroy) func callEnvironmentDestroy(_ slot: UInt64, _ environment: UInt64) -> Int64 {
  do throws(CallError) {
    guard try kernel.environmentDestroy(slot: slot, environment: environment) else { return 0 }
    Dispatcher.run()
  } catch {
    return kernel.refuse(error).rawValue
  }
}

@c(call_environment_guard)
func callEnvironmentGuard(_ slot: UInt64, _ environment: UInt64, _ name: UInt64, _ length: UInt64) -> Int64 {
  kernel.environmentGuard(slot: slot, environment: environment, name: name, length: length).rawValue
}

@c(call_quota_move)
func callQuotaMove(_ slot: UInt64, _ environment: UInt64, _ kind: UInt64, _ amount: UInt64) -> Int64 {
  kernel.quotaMove(slot: slot, environment: environment, kind: kind, amount: amount).rawValue
}

@c(call_revoke)
func callRevoke(_ slot: UInt64, _ environment: UInt64, _ kindAndCount: UInt64, _ deadline: UInt64) -> Int64 {
  kernel.revoke(slot: slot, environment: environment, kindAndCount: kindAndCount, deadline: deadline).rawValue
}
