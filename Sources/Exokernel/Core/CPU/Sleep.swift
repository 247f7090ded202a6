import ExokernelABI

// Sleeping, waking, and giving the processor to somebody.
extension Kernel {
  /// `CallNumber.sleep`: false where an event already came, and the environment goes on at once.
  public func sleep(events: UInt64, deadline: UInt64) -> Bool {
    let environment = current
    guard page(of: environment).value.events == events else { return false }
    environments[environment].sleepEvents = events
    environments[environment].sleepDeadline = deadline
    environments[environment].state = EnvironmentState.sleeping.rawValue
    return true
  }

  /// True where an event has come, or the deadline.
  @inline(__always) func sleepIsOver(_ environment: UInt32) -> Bool {
    let record = environments.cell(at: environment)
    if page(of: environment).value.events != record.value.sleepEvents { return true }
    let deadline = record.value.sleepDeadline
    return deadline != 0 && hardware.timeStamp >= deadline
  }

  /// Checks `CallNumber.wake`.
  func decodeWake(slot: UInt64, environment handle: UInt64) throws(CallError) -> UInt32 {
    try environment(handle, slot: slot, .call)
  }

  /// Counts the event.
  func performWake(_ sleeper: UInt32) { countEvent(of: sleeper) }

  /// Counts an event in an environment's page, and lets idle processors look where it has slices.
  @inline(__always) func countEvent(of environment: UInt32) { countEvent(in: page(of: environment)) }

  /// The same for who has the page at hand.
  @inline(__always) func countEvent(in page: Cell<EnvironmentPage>) {
    page.value.events &+= 1
    if header.value.processorCount > 1 { interruptIdle() }
  }

  /// Lets the other processors that wait for an interrupt look for something to run.
  @inline(never) func interruptIdle() {
    for index in 0..<header.value.processorCount
    where index != processor.value.index && processor(index).value.isIdle != 0 {
      hardware.interrupt(processor: index)
    }
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

  /// `CallNumber.yieldTo`, after `yieldRefusal` has found nothing: the receiver runs in the rest of the slice.
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
