import ExokernelABI

/// What follows a page fault of the running environment.
public enum FaultOutcome: Sendable {
  /// It goes on at its fault entry.
  case upcall(entry: UInt64)
  /// It is ended.
  case abort(Cause)
}

/// Where an environment wants to be told; 0 for nowhere.
struct UpcallEntries {
  var fault: UInt64
  var epilogue: UInt64
  var prologue: UInt64
  var revocation: UInt64
}

/// Telling libOSes: page faults, other exceptions, and where they want to be told.
extension Kernel {
  /// Checks `CallNumber.upcallBind`. Entries are checked here, once: the kernel later returns to them without a look.
  func decodeUpcallBind(fault: UInt64, epilogue: UInt64, prologue: UInt64, revocation: UInt64) throws(CallError)
    -> UpcallEntries
  {
    let end = AddressMap.userEnd
    guard fault < end, epilogue < end, prologue < end, revocation < end else { throw .badAddress }
    return UpcallEntries(fault: fault, epilogue: epilogue, prologue: prologue, revocation: revocation)
  }

  /// Binds the entries.
  func performUpcallBind(_ entries: UpcallEntries) {
    environments[current].faultEntry = entries.fault
    environments[current].epilogueEntry = entries.epilogue
    environments[current].prologueEntry = entries.prologue
    environments[current].revocationEntry = entries.revocation
  }

  /// The usual page fault: returns the entry, or 0 where `pageFault` must decide, and then nothing was changed. Both
  /// make the same two checks: change both. `TwinTests` runs them on the same states.
  @inline(__always) public func usualPageFault(instruction: UInt64, address: UInt64, code: UInt64) -> UInt64 {
    let record = currentRecord
    let entry = record.value.faultEntry
    let page = page(of: record)
    guard entry != 0, page.value.faultPending == 0 else { return 0 }
    page.value.faultPending = 1
    page.value.faultInstruction = instruction
    page.value.faultAddress = address
    page.value.faultCode = code
    record.value.faults &+= 1
    return entry
  }

  /// The running environment faulted at `instruction` on `address`. Touches nothing but its own record and page, so the
  /// lock is not needed. The usual case is `usualPageFault`: change both.
  public func pageFault(instruction: UInt64, address: UInt64, code: UInt64) -> FaultOutcome {
    let record = currentRecord
    let entry = record.value.faultEntry
    let page = page(of: record)
    guard entry != 0 else { return .abort(.pageFault(address: address, code: code)) }
    guard page.value.faultPending == 0 else { return .abort(.nestedPageFault(address: address, code: code)) }
    return .upcall(entry: usualPageFault(instruction: instruction, address: address, code: code))
  }

  /// Pushes the frame of an exception that the processor cannot bring to ring 3 by itself, where the processor pushes
  /// the others': on the small stack in the environment page. Returns the stack pointer, or nil where the exception
  /// ends the environment: a double fault; an exception in the gate page, which was delivering the one before; no page
  /// at the usual address; no entry bound. Touches nothing but the environment's own page, so the lock is not needed.
  public func exceptionStack(for exception: ExceptionFrame) -> UInt64? {
    // A double fault is an exception that found no place there.
    guard exception.vector != Vector.doubleFault, exception.instruction &- AddressMap.gatePage >= AddressMap.pageSize,
      // Environments that share a page table share the page at the usual address, which may be another one's.
      let place = unsafe entryPlace(current, AddressMap.environmentPage)
    else { return nil }
    // Safe: the hardware vouches for the entry; the frames of the machine have records and lie in the direct map.
    let entry = unsafe place.pointee
    let frame = (entry & PageEntry.addressMask) &>> 12
    guard entry & PageEntry.present != 0,
      frames[UInt32(truncatingIfNeeded: frame)].kind == FrameKind.environmentPage.rawValue
    else { return nil }
    let page = unsafe Cell<EnvironmentPage>(hardware.memory(at: frame &<< 12))
    // At an entry that is no address there would be the next exception.
    guard page.value.exceptionEntry &- 1 < AddressMap.userEnd &- 1 else { return nil }
    let offset =
      EnvironmentPage.exceptionStackEnd
      &+ UInt64(processor.value.index) &* EnvironmentPage.exceptionStackSize
      &- UInt64(MemoryLayout<ExceptionFrame>.size)
    put(frame &<< 12 &+ offset, exception)
    return AddressMap.environmentPage &+ offset
  }

  /// `CallNumber.faultDecline`: the cause that the epitaph names, as the environment itself tells it.
  public func declinedFault() -> Cause {
    let page = page(of: current)
    return .pageFault(address: page.value.faultAddress, code: page.value.faultCode)
  }
}
