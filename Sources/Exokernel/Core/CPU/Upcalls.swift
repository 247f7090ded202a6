import ExokernelABI

/// What follows a page fault of the running environment.
public enum FaultOutcome: Sendable {
  /// It goes on at its fault entry.
  case upcall(entry: UInt64)
  /// It is ended.
  case abort(Cause)
}

/// Telling libOSes: page faults, and where they want to be told.
extension Kernel {
  /// `CallNumber.upcallBind`. Entries are checked here, once: the kernel later returns to them without a look.
  public func upcallBind(fault: UInt64, epilogue: UInt64) -> CallResult {
    guard fault < AddressMap.userEnd, epilogue < AddressMap.userEnd else { return refuse(.badAddress) }
    environments[current].faultEntry = fault
    environments[current].epilogueEntry = epilogue
    return .success
  }

  /// The running environment faulted at `instruction` on `address`.
  @inline(__always) public func pageFault(instruction: UInt64, address: UInt64, code: UInt64) -> FaultOutcome {
    let environment = current
    environments[environment].faultAddress = address
    environments[environment].faultInstruction = instruction
    environments[environment].faultCode = code
    let entry = environments[environment].faultEntry
    guard entry != 0 else { return .abort(.pageFault(address: address, code: code)) }
    let page = page(of: environment)
    guard page.value.faultPending == 0 else { return .abort(.nestedPageFault(address: address, code: code)) }
    page.value.faultPending = 1
    page.value.faultInstruction = instruction
    page.value.faultAddress = address
    page.value.faultCode = code
    environments[environment].faults &+= 1
    header.value.counters.faults &+= 1
    return .upcall(entry: entry)
  }

  /// `CallNumber.faultDecline`: the cause to write on the environment's stone.
  public func declinedFault() -> Cause {
    let record = environments[current]
    return .pageFault(address: record.faultAddress, code: record.faultCode)
  }
}
