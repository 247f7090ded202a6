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

/// Who runs next, and where it goes on.
public struct Turn: Sendable {
  /// Position of the slice vector whose turn it is.
  public var position: UInt32
  /// The environment that runs: the position's owner, or whom the owner waits for.
  public var environment: UInt32
}

/// Slices: for each processor a vector of positions, each owned by an environment, run in order.
extension Kernel {
  /// Slices an environment may run past its epilogue upcall before it is ended. Time that the host gives to others counts, too, so it is no
  /// small number; what the environment overran, it pays in any case.
  public static var overrunLimit: UInt32 { 32 }

  /// Longest time for which the idle timer is set, in time-stamp units: sums and products with it do not overflow.
  static var idleLimit: UInt64 { 1 << 40 }

  /// Where position `position` of this processor's vector is in the table of all vectors.
  @inline(__always) func sliceIndex(_ position: UInt32) -> UInt32 {
    processor.value.index &* UInt32(BooksLayout.slices) &+ position
  }

  /// The next position in the vector, after the current one, whose owner can run; ends its sleep. Bounded by the vector's length.
  /// An owner that owes a whole slice pays with its position.
  public func nextTurn() -> Turn? {
    let taken = processor.value.slicesTaken
    // Positions after the current one first: they come to the low end of the word.
    let start = processor.value.slice &+ 1
    var rest = taken.rotatedRight(by: start)
    var indebted: Turn?
    while rest != 0 {
      let distance = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      let position = (start &+ distance) & 63
      let owner = slices[sliceIndex(position)].ownerPlusOne &- 1
      guard let environment = runner(of: owner) else { continue }
      let turn = Turn(position: position, environment: environment)
      guard environments[owner].debt >= header.value.sliceLength else { return turn }
      environments[owner].debt &-= header.value.sliceLength
      if indebted == nil { indebted = turn }
    }
    // Nobody else wants the processor: who owes time may have it, and its debt was paid by one slice.
    return indebted
  }

  /// Who runs in a slice of `owner`'s: itself, or the environment whose transfer it waits for; nil where neither can.
  @inline(__always) private func runner(of owner: UInt32) -> UInt32? {
    let record = environments.cell(at: owner)
    guard record.value.processorPlusOne == 0 else { return nil }
    if record.value.state == EnvironmentState.runnable.rawValue { return owner }
    return wakened(owner)
  }

  /// The rest of `runner`, for environments that are not simply runnable. Not inlined, for the usual case's sake.
  @inline(never) private func wakened(_ owner: UInt32) -> UInt32? {
    let record = environments.cell(at: owner)
    switch record.value.state {
    case EnvironmentState.sleeping.rawValue: return sleepIsOver(owner) ? owner : nil
    case EnvironmentState.waiting.rawValue: return predicateHolds(owner) ? owner : nil
    case EnvironmentState.calling.rawValue:
      guard let callee = environment(record.value.awaited), environments[callee].processorPlusOne == 0,
        environments[callee].state == EnvironmentState.runnable.rawValue
      else { return nil }
      return callee
    default: return nil
    }
  }

  /// Makes the owner of a position the running environment, with a slice before it that its debt shortens.
  public func enter(_ turn: Turn) {
    let position = turn.position
    processor.value.slice = position
    let exposed = processors.cell(at: processor.value.index)
    exposed.value.slice = position
    let environment = turn.environment
    environments[environment].slicesRun &+= 1
    switchTo(environment)
    startSlice(of: environment, at: machine.timeStamp)
  }

  /// A whole slice from `now` on, less what the environment owes.
  @inline(__always) private func startSlice(of environment: UInt32, at now: UInt64) {
    let length = header.value.sliceLength
    let debt = environments[environment].debt
    let paid = debt < length ? debt : length &>> 1
    environments[environment].debt = debt &- paid
    processor.value.epiloguePending = 0
    processor.value.sliceEnd = now &+ length &- paid
    machine.armTimer(at: now &+ length &- paid)
  }

  /// Puts an environment's page table in force, and names it as the one that runs here.
  @inline(__always) func switchTo(_ environment: UInt32) {
    let record = environments.cell(at: environment)
    let processor = self.processor
    record.value.state = EnvironmentState.runnable.rawValue
    record.value.processorPlusOne = processor.value.index &+ 1
    processor.value.environment = environment
    processors.cell(at: processor.value.index).value.environment = environment
    let root = UInt64(record.value.rootTable) &<< 12
    if processor.value.activeRoot != root {
      processor.value.activeRoot = root
      machine.activate(root: root)
    }
  }

  /// Nobody can run: lets the timer fire for the first sleeper that has a deadline, or the first request to give
  /// resources back. Bounded by the vector's length and the number of environments.
  public func armForIdle() {
    leaveProcessor()
    var earliest: UInt64 = 0
    var watchesMemory = false
    let now = machine.timeStamp
    var taken = processor.value.slicesTaken
    while taken != 0 {
      let position = UInt32(truncatingIfNeeded: taken.trailingZeroBitCount)
      taken &= taken &- 1
      let environment = slices[sliceIndex(position)].ownerPlusOne &- 1
      let deadline: UInt64
      switch environments[environment].state {
      case EnvironmentState.sleeping.rawValue: deadline = environments[environment].sleepDeadline
      case EnvironmentState.waiting.rawValue:
        watchesMemory = true
        // A time that has come since the last look counts as well.
        deadline = predicateHolds(environment) ? now : nextDeadline(of: environment, after: now)
      default: continue
      }
      if deadline != 0, earliest == 0 || deadline < earliest { earliest = deadline }
    }
    // Whoever does not give in time what it was asked for is robbed in time.
    var pressed = own.value.pressed
    while pressed != 0 {
      let deadline = revocations[UInt32(truncatingIfNeeded: pressed.trailingZeroBitCount)].deadline
      pressed &= pressed &- 1
      if earliest == 0 || deadline < earliest { earliest = deadline }
    }
    // Who runs on another processor can write what somebody waits for here, without a call.
    if watchesMemory, header.value.processorCount > 1 {
      let look = now &+ header.value.sliceLength
      if earliest == 0 || look < earliest { earliest = look }
    }
    guard earliest != 0 else { return machine.armTimer(at: 0) }
    let delta = earliest > now ? earliest &- now : 1
    machine.armTimer(at: now &+ (delta < Self.idleLimit ? delta : Self.idleLimit))
  }

  /// No environment runs here. Its page table is not in force any more either: another processor may change it.
  func leaveProcessor() {
    let processor = self.processor
    processor.value.environment = BooksLayout.noEnvironment
    processors.cell(at: processor.value.index).value.environment = BooksLayout.noEnvironment
    if processor.value.activeRoot != machine.templateRoot {
      machine.activate(root: machine.templateRoot)
      processor.value.activeRoot = machine.templateRoot
    }
  }

  /// The timer fired, at time-stamp `now`, while an environment ran at `instruction`.
  @inline(__always) public func sliceEnded(at instruction: UInt64, now: UInt64) -> SliceEnd {
    let processor = self.processor
    let environment = processor.value.environment
    processors.cell(at: processor.value.index).value.sliceEnds &+= 1
    machine.armTimer(at: now &+ header.value.sliceLength)
    guard processor.value.epiloguePending == 0 else { return overrun(environment, at: instruction) }
    guard processor.value.slicesTaken & ~(1 &<< UInt64(processor.value.slice & 63)) != 0 else {
      // Alone on this processor: its next slice begins at once.
      environments[environment].slicesRun &+= 1
      processor.value.sliceEnd = now &+ header.value.sliceLength
      return .goOn
    }
    environments[environment].overrun = 0
    return epilogue(of: environment, at: instruction)
  }

  /// One more slice past the end: too many of them end the environment.
  @inline(never) private func overrun(_ environment: UInt32, at instruction: UInt64) -> SliceEnd {
    environments[environment].overrun &+= 1
    guard environments[environment].overrun < Self.overrunLimit else { return .abort }
    guard processor.value.epiloguePending != 1 else { return .goOn }
    return epilogue(of: environment, at: instruction)
  }

  /// The upcall at the end of a slice. Put off by a slice inside a critical section, while there is no entry yet, as before a program's
  /// first call, while a page fault has not been taken over: the fault may be the stack's, onto which the epilogue would save what it
  /// interrupts; and on the way through the gate page, where the registers are not the environment's own yet, or its stack is not.
  @inline(__always) private func epilogue(of environment: UInt32, at instruction: UInt64) -> SliceEnd {
    let page = page(of: environment)
    let entry = environments[environment].epilogueEntry
    guard page.value.faultPending | page.value.criticalSection == 0, entry != 0,
      instruction &- AddressMap.gateWindow >= AddressMap.gateWindowSize
    else {
      page.value.epilogueDue = 1
      processor.value.epiloguePending = 2
      return .goOn
    }
    processor.value.epiloguePending = 1
    page.value.epilogueReturn = instruction
    return .epilogue(entry: entry)
  }

  /// The running environment gives up the processor and goes on at `instruction` with `stack` when its turn comes. What it ran past the end
  /// of its slice, it owes.
  @inline(__always) public func giveUp(instruction: UInt64, stack: UInt64) {
    let processor = self.processor
    let record = environments.cell(at: processor.value.environment)
    record.value.savedInstructionPointer = instruction
    record.value.savedStackPointer = stack
    record.value.processorPlusOne = 0
    if processor.value.epiloguePending != 0 {
      processor.value.epiloguePending = 0
      let now = machine.timeStamp
      let end = processor.value.sliceEnd
      if now > end { record.value.debt &+= now &- end }
    } else {
      processors.cell(at: processor.value.index).value.yields &+= 1
    }
  }

  /// The rest of a slice passes from the running environment to another one. A slice that is over has no rest: who gives it away all the
  /// same pays for the one that the other gets.
  @inline(__always) func donate() {
    let processor = self.processor
    guard processor.value.epiloguePending != 0 else { return }
    donateOverrun()
  }

  @inline(never) private func donateOverrun() {
    let end = processor.value.sliceEnd
    let now = machine.timeStamp
    processor.value.epiloguePending = 0
    environments[current].debt &+= (now > end ? now &- end : 0) &+ header.value.sliceLength
  }
}

extension UInt64 {
  /// The number with its bits moved down by `count`, those that fall out coming in at the top.
  @inline(__always) func rotatedRight(by count: UInt32) -> UInt64 {
    let distance = UInt64(count & 63)
    return self &>> distance | self &<< (64 &- distance & 63)
  }
}
