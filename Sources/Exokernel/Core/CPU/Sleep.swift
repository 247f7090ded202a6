import ExokernelABI

// Sleeping, until an event or until a predicate holds, and waking.
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

  /// `CallNumber.sleepUntil`: false where the predicate holds already, or there is none, and the environment goes on at
  /// once.
  public func sleepUntil() -> Bool {
    let environment = current
    guard predicates[environment].count != 0, !predicateHolds(environment) else { return false }
    environments[environment].state = EnvironmentState.waiting.rawValue
    return true
  }

  /// True where an event has come, or the deadline.
  @inline(__always) func sleepIsOver(_ environment: UInt32) -> Bool {
    page(of: environment).value.events != environments[environment].sleepEvents || deadlineIsOver(environment)
  }

  /// True where the deadline has come of an environment that sleeps or calls.
  @inline(__always) func deadlineIsOver(_ environment: UInt32) -> Bool {
    let deadline = environments[environment].sleepDeadline
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
}
