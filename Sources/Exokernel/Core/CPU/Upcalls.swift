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
  public func upcallBind(fault: UInt64, epilogue: UInt64, prologue: UInt64, revocation: UInt64) -> CallResult {
    let end = AddressMap.userEnd
    guard fault < end, epilogue < end, prologue < end, revocation < end else { return refuse(.badAddress) }
    environments[current].faultEntry = fault
    environments[current].epilogueEntry = epilogue
    environments[current].prologueEntry = prologue
    environments[current].revocationEntry = revocation
    return .success
  }

  /// The running environment faulted at `instruction` on `address`. Touches nothing but its own record and page, so the lock is not needed.
  @inline(__always) public func pageFault(instruction: UInt64, address: UInt64, code: UInt64) -> FaultOutcome {
    let record = environments.cell(at: current)
    let entry = record.value.faultEntry
    // Safe: as in `page(of:)`.
    let page = unsafe Cell<EnvironmentPage>(machine.memory(at: UInt64(record.value.environmentPage) &<< 12))
    guard entry != 0 else { return .abort(.pageFault(address: address, code: code)) }
    guard page.value.faultPending == 0 else { return .abort(.nestedPageFault(address: address, code: code)) }
    page.value.faultPending = 1
    page.value.faultInstruction = instruction
    page.value.faultAddress = address
    page.value.faultCode = code
    record.value.faults &+= 1
    return .upcall(entry: entry)
  }

  /// `CallNumber.faultDecline`: the cause to write on the environment's stone, as the environment itself tells it.
  public func declinedFault() -> Cause {
    let page = page(of: current)
    return .pageFault(address: page.value.faultAddress, code: page.value.faultCode)
  }
}
