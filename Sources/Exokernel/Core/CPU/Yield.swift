import ExokernelABI

// Giving the processor up, giving it to somebody, and going on afterwards.
extension Kernel {
  /// The running environment gives up the processor at time-stamp `now`, stays runnable, and goes on at `instruction`
  /// with `stack` when its turn comes. The time that it ran past the end of the slice is owed; false where `chargeLate`
  /// has to decide by whom. `node` is `sliceNode`.
  @inline(__always)
  public func giveUp(instruction: UInt64, stack: UInt64, node: Cell<SliceNode>, now: UInt64) -> Bool {
    leave(instruction: instruction, stack: stack)
    return processor.value.epiloguePending == 0 || chargeOwner(of: node, until: now)
  }

  /// `giveUp`, but keeps the state that the caller has just set (sleeping, waiting), where that one makes it runnable.
  public func giveUp(instruction: UInt64, stack: UInt64) {
    let state = currentRecord.value.state
    let now = hardware.timeStamp
    if !giveUp(instruction: instruction, stack: stack, node: sliceNode, now: now) { chargeLate(until: now) }
    currentRecord.value.state = state
  }

  /// Remembers where the running environment goes on. It is runnable, and runs no more.
  @inline(__always) func leave(instruction: UInt64, stack: UInt64) {
    let record = currentRecord
    record.value.savedInstructionPointer = instruction
    record.value.savedStackPointer = stack
    record.value.activity = UInt64(EnvironmentState.runnable.rawValue)
  }

  /// Why the caller may not give its slice to the environment that `handle` names, the record being `receiver`; nil
  /// where it may.
  @inline(__always) public func yieldRefusal(environment handle: UInt64, _ receiver: Cell<EnvironmentRecord>)
    -> CallError?
  {
    guard receiver.value.handle == handle else { return .noSuchResource }
    guard receiver.value.activity == UInt64(EnvironmentState.runnable.rawValue) else {
      return isLive(Handle.index(handle)) ? .busy : .noSuchResource
    }
    return nil
  }

  /// True where the slice is over, and so is nothing to give: `CallNumber.yieldTo` is a yield then, and a transfer is
  /// refused.
  @inline(__always) public var sliceIsOver: Bool { processor.value.epiloguePending != 0 }

  /// `CallNumber.yieldTo`, after `yieldRefusal` has found nothing, and before the slice is over: the receiver runs in
  /// the rest of it.
  @inline(__always) public func yield(to receiver: Cell<EnvironmentRecord>, instruction: UInt64, stack: UInt64) {
    leave(instruction: instruction, stack: stack)
    switchTo(receiver)
  }

  /// Where the environment of `record`, which was switched to, goes on that had given up the processor, and what it
  /// finds in rdx: where it would have gone on if it had not bound an entry for that.
  @inline(__always) public func resumption(of record: Cell<EnvironmentRecord>) -> (
    entry: UInt64, stack: UInt64, saved: UInt64
  ) {
    let saved = record.value.savedInstructionPointer
    let prologue = record.value.prologueEntry
    if kernelPrivate.value.asked != 0 { return revocationResumption() }
    return (prologue != 0 ? prologue : saved, record.value.savedStackPointer, saved)
  }

  /// The same where somebody is asked to give resources back.
  @inline(never) private func revocationResumption() -> (entry: UInt64, stack: UInt64, saved: UInt64) {
    let environment = current
    let record = currentRecord
    let saved = record.value.savedInstructionPointer
    let entry = takeRevocationEntry(of: environment) ?? record.value.prologueEntry
    return (entry != 0 ? entry : saved, record.value.savedStackPointer, saved)
  }
}
