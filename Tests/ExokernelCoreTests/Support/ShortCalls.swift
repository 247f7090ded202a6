import ExokernelABI

@testable import ExokernelCore

// Calls as ring 0's entries make them of the kernel's pieces, and as most tests make them: one page, the caller's own
// page table, the capability for the caller itself.
extension Kernel {
  func frameMap(
    slot: UInt64, frame: UInt64, address: UInt64, rights: UInt64, count: UInt64 = 1, table: UInt64 = Handle.own
  ) -> CallResult {
    frameMap(
      FrameMapArguments(slot: slot, frame: frame, address: address, rights: rights, count: count, table: table))
  }
  func frameUnmap(address: UInt64, count: UInt64 = 1) -> CallResult {
    frameUnmap(address: address, count: count, table: Handle.own)
  }
  func frameProtect(
    slot: UInt64 = 0, address: UInt64, rights: UInt64, count: UInt64 = 1, table: UInt64 = Handle.own
  ) -> CallResult {
    frameProtect(FrameProtectArguments(slot: slot, address: address, rights: rights, count: count, table: table))
  }
  func frameGuard(slot: UInt64, frame: UInt64, name: UInt64, length: UInt64, allowed: UInt64) -> CallResult {
    frameGuard(FrameGuardArguments(slot: slot, frame: frame, name: name, length: length, allowed: allowed))
  }
  func regionBind(slot: UInt64, frame: UInt64, offset: UInt64, count: UInt64, name: UInt64, length: UInt64)
    -> CallResult
  {
    regionBind(
      RegionBindArguments(slot: slot, frame: frame, offset: offset, count: count, name: name, length: length))
  }
  func capabilityDerive(slot: UInt64, into: UInt64, name: UInt64, length: UInt64, rights: UInt64) -> CallResult {
    capabilityDerive(CapabilityDeriveArguments(slot: slot, into: into, name: name, length: length, rights: rights))
  }
  func revoke(slot: UInt64, environment: UInt64, kind: UInt64, count: UInt64, deadline: UInt64) -> CallResult {
    revoke(RevokeArguments(slot: slot, environment: environment, kind: kind, count: count, deadline: deadline))
  }
  func entryWrite(address: UInt64, value: UInt64) -> CallResult {
    entryWrite(address: address, value: value, table: Handle.own)
  }
  func tableInstall(slot: UInt64, frame: UInt64, address: UInt64, level: UInt64) -> CallResult {
    tableInstall(slot: slot, frame: frame, address: address, level: level, table: Handle.own)
  }
  func framesAllocateMapped(slot: UInt64, address: UInt64, count: UInt64) -> CallResult {
    framesAllocateMapped(slot: slot, address: address, count: count, table: Handle.own)
  }
  func environmentDestroy(slot: UInt64, environment: UInt64) throws(CallError) -> Bool {
    performEnvironmentDestroy(try decodeEnvironmentDestroy(slot: slot, environment: environment))
  }
  func upcallBind(fault: UInt64, epilogue: UInt64) -> CallResult {
    upcallBind(fault: fault, epilogue: epilogue, prologue: 0, revocation: 0)
  }
  /// What an environment owes the processor that makes the call.
  func debt(of environment: UInt32) -> UInt64 { debts[debtIndex(of: environment, on: processor.value.index)] }
  /// Makes it owe that.
  func setDebt(of environment: UInt32, _ debt: UInt64) {
    debts[debtIndex(of: environment, on: processor.value.index)] = debt
  }
  func yieldTo(_ handle: UInt64, instruction: UInt64 = 0x40_0000, stack: UInt64 = 0) throws(CallError) -> UInt32 {
    let receiver = recordNumbered(by: handle)
    if let error = yieldRefusal(environment: handle, receiver) { throw error }
    guard !sliceIsOver else {
      giveUp(instruction: instruction, stack: stack)
      enter(nextTurn()!)
      return current
    }
    yield(to: receiver, instruction: instruction, stack: stack)
    return current
  }
  func transfer(
    slot: UInt64, environment handle: UInt64, mode: TransferMode, deadline: UInt64 = 0,
    instruction: UInt64 = 0x40_0000, stack: UInt64 = 0
  ) throws(CallError) -> Arrival {
    if mode == .synchronous,
      let arrival = callSleeper(
        slot: slot, environment: handle, deadline: deadline, instruction: instruction, stack: stack)
    {
      return arrival
    }
    if mode == .final,
      let arrival = answer(environment: handle, instruction: instruction, stack: stack)
    {
      return arrival
    }
    let callee = recordNumbered(by: handle)
    if let error = transferRefusal(slot: slot, environment: handle, callee) { throw error }
    return transfer(to: callee, mode: mode, deadline: deadline, instruction: instruction, stack: stack)
  }
  func sliceEnded(at instruction: UInt64) -> SliceEnd { sliceEnded(at: instruction, now: hardware.timeStamp) }
  func sliceFree(position: UInt64) -> CallResult { sliceFree(slot: 0, position: position) }
  func filterUnbind(_ filter: UInt64) -> CallResult { filterUnbind(slot: 0, filter: filter) }
  func blockSubmit(slot: UInt64 = 0, extent: UInt64, block: UInt64, frame: UInt64, operation: UInt64, tag: UInt64)
    -> CallResult
  {
    blockSubmit(
      BlockSubmitArguments(rdi: slot | extent << 32, rsi: block, rdx: frame, rcx: operation, r8: tag))
  }
}

extension SliceEnd: Equatable {
  /// The same end, for tests to say which one they expect.
  public static func == (left: SliceEnd, right: SliceEnd) -> Bool {
    switch (left, right) {
    case (.goOn, .goOn), (.abort, .abort): true
    case (.epilogue(let entry), .epilogue(let other)): entry == other
    default: false
    }
  }
}
