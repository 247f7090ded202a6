import ExokernelABI

/// Where a control transfer goes on.
public struct Arrival: Sendable {
  /// Instruction pointer.
  public var entry: UInt64
  /// Stack pointer.
  public var stack: UInt64
  /// Handle of who transferred, which nobody can forge.
  public var caller: UInt64
}

/// Protected control transfer (Aegis): a change of environment, and nothing else. Registers that a call preserves are the message.
extension Kernel {
  /// `CallNumber.transferBind`.
  public func transferBind(entry: UInt64, stack: UInt64, name: UInt64, length: UInt64) -> CallResult {
    guard entry < AddressMap.userEnd, stack <= AddressMap.userEnd else { return refuse(.badAddress) }
    guard length <= 8 else { return refuse(.badArgument) }
    let accepted = Capability(name: name, length: UInt32(truncatingIfNeeded: length), rights: .none)
    environments[current].transferEntry = entry
    environments[current].transferStack = stack
    environments[current].acceptName = accepted.name
    environments[current].acceptMask = accepted.mask
    return .success
  }

  /// `CallNumber.transfer`. The callee sleeps, or waits for this caller: nobody is torn out of what it does. The caller goes on at
  /// `instruction` with `stack`.
  @inline(__always) public func transfer(
    slot: UInt64, environment handle: UInt64, mode: UInt64, instruction: UInt64, stack: UInt64
  ) throws(CallError) -> Arrival {
    guard mode <= TransferMode.final.rawValue else { throw .badArgument }
    let index = Handle.index(handle)
    guard index < UInt32(BooksLayout.environments) else { throw .noSuchResource }
    let callee = environments.cell(at: index)
    guard UInt64(callee.value.generation) == Handle.generation(handle) else { throw .noSuchResource }
    let number = current
    let caller = environments.cell(at: number)
    let name = caller.value.handle
    let arrival: Arrival
    if callee.value.state == EnvironmentState.sleeping.rawValue {
      if let error = refusal(slot, .call, guardName: callee.value.guardName) {
        throw error
      }
      guard callee.value.transferEntry != 0,
        (caller.value.guardName ^ callee.value.acceptName) & callee.value.acceptMask == 0
      else { throw .notAccepted }
      arrival = Arrival(entry: callee.value.transferEntry, stack: callee.value.transferStack, caller: name)
    } else if callee.value.awaited == name, callee.value.state == EnvironmentState.calling.rawValue {
      // Who waits for this caller has agreed by that.
      arrival = Arrival(
        entry: callee.value.savedInstructionPointer, stack: callee.value.savedStackPointer, caller: name)
    } else {
      throw isLive(index) ? .busy : .noSuchResource
    }
    donate()
    caller.value.savedInstructionPointer = instruction
    caller.value.savedStackPointer = stack
    caller.value.processorPlusOne = 0
    caller.value.awaited = 0
    if mode != TransferMode.asynchronous.rawValue { wait(number, for: handle, mode) }
    callee.value.transfers &+= 1
    switchTo(index)
    return arrival
  }

  /// The caller does not go on before it is transferred to.
  @inline(__always) private func wait(_ caller: UInt32, for callee: UInt64, _ mode: UInt64) {
    let record = environments.cell(at: caller)
    if mode == TransferMode.synchronous.rawValue {
      record.value.awaited = callee
      record.value.state = EnvironmentState.calling.rawValue
    } else {
      record.value.sleepEvents = page(of: caller).value.events
      record.value.sleepDeadline = 0
      record.value.state = EnvironmentState.sleeping.rawValue
    }
  }

  /// Environments that wait for one that has ended go on behind their calls, where rax tells handle 0.
  func releaseCallers(of handle: UInt64) {
    var isReleased = false
    for index in 0..<environments.count
    where environments[index].state == EnvironmentState.calling.rawValue && environments[index].awaited == handle {
      environments[index].state = EnvironmentState.runnable.rawValue
      environments[index].awaited = 0
      isReleased = true
    }
    // Their positions may be on processors that have nothing to do.
    if isReleased { interruptIdle() }
  }
}
