import ExokernelABI

/// What follows the end of a slice.
public enum SliceEnd: Sendable {
  /// The environment runs on.
  case goOn
  /// The environment runs on at its epilogue.
  case epilogue(entry: UInt64)
  /// The environment is ended.
  case abort
}

/// Slices: a vector of positions, each owned by an environment, run in order.
extension Kernel {
  /// Ticks an environment may run past its epilogue upcall before it is ended.
  public static var overrunLimit: UInt32 { 3 }

  /// Longest time for which the idle timer is set, in time-stamp units: sums and products with it do not overflow.
  static var idleLimit: UInt64 { 1 << 40 }

  /// The next position in the vector, after the current one, whose owner can run; ends its sleep. Bounded by the vector's length.
  public func nextRunnable() -> UInt32? {
    let taken = own.value.slicesTaken
    let after = UInt64(header.value.currentSlice) &+ 1
    var later = after < 64 ? taken & (~0 &<< after) : 0
    if let position = firstRunnable(&later) { return position }
    var earlier = after < 64 ? taken & ~(~0 &<< after) : taken
    return firstRunnable(&earlier)
  }

  @inline(__always) private func firstRunnable(_ positions: inout UInt64) -> UInt32? {
    while positions != 0 {
      let position = UInt32(truncatingIfNeeded: positions.trailingZeroBitCount)
      positions &= positions &- 1
      if canRun(slices[position] &- 1) { return position }
    }
    return nil
  }

  /// True where an environment is runnable, or its sleep is over.
  @inline(__always) private func canRun(_ environment: UInt32) -> Bool {
    let state = environments[environment].state
    if state == EnvironmentState.runnable.rawValue { return true }
    guard state == EnvironmentState.sleeping.rawValue else { return false }
    if page(of: environment).value.events != environments[environment].sleepEvents { return true }
    let deadline = environments[environment].sleepDeadline
    return deadline != 0 && machine.timeStamp >= deadline
  }

  /// Makes the owner of `position` the running environment, with a whole slice before it.
  public func enter(_ position: UInt32) {
    let environment = slices[position] &- 1
    header.value.currentSlice = position
    header.value.currentEnvironment = environment
    environments[environment].state = EnvironmentState.runnable.rawValue
    environments[environment].slicesRun &+= 1
    own.value.epiloguePending = 0
    if own.value.activeEnvironment != environment {
      own.value.activeRoot = UInt64(environments[environment].rootTable) &<< 12
      machine.activate(root: own.value.activeRoot)
      own.value.activeEnvironment = environment
    }
    machine.armTimer(after: header.value.sliceLength)
  }

  /// Nobody can run: lets the timer fire for the first sleeper that has a deadline. Bounded by the vector's length.
  public func armForIdle() {
    header.value.currentEnvironment = BooksLayout.noEnvironment
    var earliest: UInt64 = 0
    var taken = own.value.slicesTaken
    while taken != 0 {
      let environment = slices[UInt32(truncatingIfNeeded: taken.trailingZeroBitCount)] &- 1
      taken &= taken &- 1
      let deadline = environments[environment].sleepDeadline
      if deadline != 0, earliest == 0 || deadline < earliest { earliest = deadline }
    }
    guard earliest != 0 else { return machine.armTimer(after: 0) }
    let now = machine.timeStamp
    let delta = earliest > now ? earliest &- now : 1
    machine.armTimer(after: delta < Self.idleLimit ? delta : Self.idleLimit)
  }

  /// The timer fired while an environment ran at `instruction`.
  public func sliceEnded(at instruction: UInt64) -> SliceEnd {
    let environment = current
    header.value.counters.sliceEnds &+= 1
    if own.value.epiloguePending == 0 {
      let next = nextRunnable() ?? header.value.currentSlice
      guard slices[next] != environment &+ 1 else {
        // The vector moves on all the same: or an environment with two neighbouring positions would keep the CPU.
        header.value.currentSlice = next
        machine.armTimer(after: header.value.sliceLength)
        environments[environment].slicesRun &+= 1
        return .goOn
      }
      let entry = environments[environment].epilogueEntry
      environments[environment].overrun = 0
      machine.armTimer(after: header.value.sliceLength)
      return epilogue(of: environment, at: instruction, entry)
    }
    environments[environment].overrun &+= 1
    guard environments[environment].overrun < Self.overrunLimit else { return .abort }
    machine.armTimer(after: header.value.sliceLength)
    guard own.value.epiloguePending != 1 else { return .goOn }
    return epilogue(of: environment, at: instruction, environments[environment].epilogueEntry)
  }

  /// The upcall at the end of a slice. Put off by a slice while there is no entry yet, as before a program's first call, and while a page
  /// fault has not been taken over: the fault may be the stack's, onto which the epilogue would save what it interrupts.
  private func epilogue(of environment: UInt32, at instruction: UInt64, _ entry: UInt64) -> SliceEnd {
    let page = page(of: environment)
    guard entry != 0, page.value.faultPending == 0 else {
      own.value.epiloguePending = 2
      return .goOn
    }
    own.value.epiloguePending = 1
    page.value.epilogueReturn = instruction
    return .epilogue(entry: entry)
  }

  /// The running environment gives up the CPU and goes on at `instruction` with `stack` when its turn comes.
  public func giveUp(instruction: UInt64, stack: UInt64) {
    let environment = current
    environments[environment].savedInstructionPointer = instruction
    environments[environment].savedStackPointer = stack
    header.value.counters.yields &+= 1
  }

  /// `CallNumber.sleep`: false where an event already came, and the environment goes on at once.
  public func sleep(events: UInt64, deadline: UInt64) -> Bool {
    let environment = current
    guard page(of: environment).value.events == events else { return false }
    environments[environment].sleepEvents = events
    environments[environment].sleepDeadline = deadline
    environments[environment].state = EnvironmentState.sleeping.rawValue
    return true
  }

  /// `CallNumber.sliceAllocate`.
  public func sliceAllocate(slot: UInt64, position: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    let name = CapabilityName.name(CapabilityName.environment, UInt64(current))
    guard capability.allows(.allocate, guardName: name, guardLength: 2) else { return refuse(.notPermitted) }
    let wanted: UInt32
    if position == CallNumber.any {
      guard let free = freeSlice() else { return refuse(.exhausted) }
      wanted = free
    } else {
      guard position < BooksLayout.slices else { return refuse(.noSuchResource) }
      wanted = UInt32(truncatingIfNeeded: position)
      guard slices[wanted] == 0 else { return refuse(.busy) }
    }
    takeSlice(wanted, for: current)
    return CallResult(UInt64(wanted))
  }

  /// `CallNumber.sliceFree`. An environment keeps its last position: without one it could not even end.
  public func sliceFree(position: UInt64) -> CallResult {
    guard position < BooksLayout.slices else { return refuse(.noSuchResource) }
    let index = UInt32(truncatingIfNeeded: position)
    guard slices[index] == current &+ 1 else { return refuse(.notPermitted) }
    guard environments[current].slices > 1 else { return refuse(.busy) }
    dropSlice(index)
    return .success
  }

  func freeSlice() -> UInt32? {
    let free = ~own.value.slicesTaken
    return free == 0 ? nil : UInt32(truncatingIfNeeded: free.trailingZeroBitCount)
  }

  func takeSlice(_ position: UInt32, for environment: UInt32) {
    slices[position] = environment &+ 1
    own.value.slicesTaken |= 1 &<< UInt64(position)
    environments[environment].slices &+= 1
  }

  func dropSlice(_ position: UInt32) {
    environments[slices[position] &- 1].slices &-= 1
    slices[position] = 0
    own.value.slicesTaken &= ~(1 &<< UInt64(position))
  }
}
