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

/// What the caller does after a protected control transfer.
public enum TransferMode: Sendable {
  /// It stays runnable.
  case asynchronous
  /// It waits until the callee transfers to it.
  case synchronous
  /// It sleeps until it is transferred to, or an event comes.
  case final
}

/// Protected control transfer (Aegis): a change of environment, and nothing else. Registers that a call preserves are
/// the message.
extension Kernel {
  /// Checks `CallNumber.transferBind`. Any name may be accepted, also one that no guard can have.
  func decodeTransferBind(entry: UInt64, stack: UInt64, name: UInt64, length: UInt64) throws(CallError) -> (
    entry: UInt64, stack: UInt64, accepted: Capability
  ) {
    guard entry < AddressMap.userEnd, stack <= AddressMap.userEnd else { throw .badAddress }
    guard length <= 8 else { throw .badArgument }
    let named = Capability(name: name, length: UInt32(truncatingIfNeeded: length), rights: .none)
    return (entry, stack, entry == 0 ? Self.nobody : named)
  }

  /// Binds the entry.
  func performTransferBind(_ decoded: (entry: UInt64, stack: UInt64, accepted: Capability)) {
    environments[current].transferEntry = decoded.entry
    environments[current].transferStack = decoded.stack
    environments[current].acceptName = decoded.accepted.name
    environments[current].acceptMask = decoded.accepted.mask
  }

  /// A name that no guard starts with: after an unused byte, 0xff, none is used.
  static var nobody: Capability { Capability(name: 0xff00 &<< 48, length: 8, rights: .none) }

  /// Why the caller may not transfer to the environment that `handle` names, the record being `callee`; nil where it
  /// may. The callee sleeps, or waits for this caller: nobody is torn out of what it does. `callSleeper` and `answer`
  /// make the same checks in their usual cases: change all. Once the slice is over, nobody is given the rest of it.
  @inline(__always) public func transferRefusal(
    slot: UInt64, environment handle: UInt64, _ callee: Cell<EnvironmentRecord>
  )
    -> CallError?
  {
    guard callee.value.handle == handle else { return .noSuchResource }
    guard !sliceIsOver else { return .again }
    guard callee.value.state == EnvironmentState.sleeping.rawValue else { return answerRefusal(callee) }
    if let error = refusal(slot, .call, guardName: callee.value.guardName) { return error }
    // Who has bound no entry accepts a name that no guard has.
    guard (currentRecord.value.guardName ^ callee.value.acceptName) & callee.value.acceptMask == 0 else {
      return .notAccepted
    }
    return nil
  }

  /// The same for a callee that does not sleep: it must wait for this caller, and has agreed by that.
  @inline(__always) private func answerRefusal(_ callee: Cell<EnvironmentRecord>) -> CallError? {
    let state = callee.value.state
    if callee.value.awaited == currentRecord.value.handle, state == EnvironmentState.calling.rawValue { return nil }
    return state == EnvironmentState.free.rawValue || state == EnvironmentState.ended.rawValue ? .noSuchResource : .busy
  }

  /// The record that a handle's number names, whatever its generation.
  @inline(__always) public func recordNumbered(by handle: UInt64) -> Cell<EnvironmentRecord> {
    environments.cell(at: UInt32(truncatingIfNeeded: handle) & (UInt32(BooksLayout.environments) &- 1))
  }

  /// `CallNumber.transfer`, `call` and `answer`, after `transferRefusal` has found nothing: the caller, which goes on
  /// at `instruction` with `stack`, does what `mode` says, and the callee runs. A synchronous caller waits until the
  /// time-stamp `deadline` at most, 0 for ever. The usual cases are `callSleeper` and `answer`: change all.
  @inline(__always) public func transfer(
    to callee: Cell<EnvironmentRecord>, mode: TransferMode, deadline: UInt64, instruction: UInt64, stack: UInt64
  ) -> Arrival {
    let caller = currentRecord
    let name = caller.value.handle
    let isAnswer = callee.value.state != EnvironmentState.sleeping.rawValue
    let arrival = Arrival(
      entry: isAnswer ? callee.value.savedInstructionPointer : callee.value.transferEntry,
      stack: isAnswer ? callee.value.savedStackPointer : callee.value.transferStack, caller: name)
    leave(instruction: instruction, stack: stack)
    switch mode {
    case .asynchronous: break
    case .synchronous:
      caller.value.awaited = callee.value.handle
      caller.value.sleepDeadline = deadline
      caller.value.state = EnvironmentState.calling.rawValue
    case .final:
      caller.value.sleepEvents = page(of: caller).value.events
      caller.value.sleepDeadline = 0
      caller.value.state = EnvironmentState.sleeping.rawValue
    }
    callee.value.awaited = 0
    switchTo(callee)
    return arrival
  }

  /// The usual call: synchronous, to a callee that sleeps. Nil where it is not one, and then nothing was changed:
  /// `transferRefusal` and `transfer` decide. They make the same checks one by one: change both ways.
  /// `TwinTests` runs them on the same states.
  @inline(__always) public func callSleeper(
    slot: UInt64, environment handle: UInt64, deadline: UInt64, instruction: UInt64, stack: UInt64
  ) -> Arrival? {
    let callee = recordNumbered(by: handle)
    let processor = self.processor
    guard callee.value.handle == handle, callee.value.activity == UInt64(EnvironmentState.sleeping.rawValue),
      slot < CapabilitySlot.count, !sliceIsOver
    else { return nil }
    let capability = ownCapability(slot)
    guard capability.value.rights.contains(.call),
      (callee.value.guardName ^ capability.value.name) & capability.value.mask == 0
    else { return nil }
    let caller = currentRecord
    guard (caller.value.guardName ^ callee.value.acceptName) & callee.value.acceptMask == 0 else { return nil }
    caller.value.savedInstructionPointer = instruction
    caller.value.savedStackPointer = stack
    caller.value.activity = UInt64(EnvironmentState.calling.rawValue)
    caller.value.awaited = handle
    caller.value.sleepDeadline = deadline
    callee.value.activity = processor.value.running
    processor.value.environment = UInt32(truncatingIfNeeded: handle) & UInt32(BooksLayout.environments &- 1)
    activate(callee)
    return Arrival(
      entry: callee.value.transferEntry, stack: callee.value.transferStack, caller: caller.value.handle)
  }

  /// The usual answer: the last thing that the caller does, to a callee that waits for it. Nil where it is not one, and
  /// then nothing was changed: `transferRefusal` and `transfer` decide, as for `callSleeper`. Change both ways.
  @inline(__always) public func answer(environment handle: UInt64, instruction: UInt64, stack: UInt64) -> Arrival? {
    let callee = recordNumbered(by: handle)
    let processor = self.processor
    let caller = currentRecord
    let name = caller.value.handle
    guard callee.value.handle == handle, callee.value.activity == UInt64(EnvironmentState.calling.rawValue),
      callee.value.awaited == name, !sliceIsOver
    else { return nil }
    caller.value.savedInstructionPointer = instruction
    caller.value.savedStackPointer = stack
    caller.value.sleepEvents = page(of: caller).value.events
    caller.value.sleepDeadline = 0
    caller.value.activity = UInt64(EnvironmentState.sleeping.rawValue)
    callee.value.awaited = 0
    callee.value.activity = processor.value.running
    processor.value.environment = UInt32(truncatingIfNeeded: handle) & UInt32(BooksLayout.environments &- 1)
    activate(callee)
    return Arrival(entry: callee.value.savedInstructionPointer, stack: callee.value.savedStackPointer, caller: name)
  }

  /// A call is over to which nobody has transferred back: its caller goes on behind it, where rax tells handle 0.
  func endCall(of environment: UInt32) {
    environments[environment].state = EnvironmentState.runnable.rawValue
    environments[environment].awaited = Handle.none
  }

  /// Environments that wait for one that has ended wait no more.
  func releaseCallers(of handle: UInt64) {
    var isReleased = false
    for index in 0..<environments.count
    where environments[index].state == EnvironmentState.calling.rawValue && environments[index].awaited == handle {
      endCall(of: index)
      isReleased = true
    }
    // Their positions may be on processors that have nothing to do.
    if isReleased { interruptIdle() }
  }
}
