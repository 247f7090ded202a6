import ExokernelABI

/// Who runs next: the environment that holds a position, or whom that one waits for.
public struct Turn: Sendable {
  /// Position of the slice vector whose turn it is.
  public var position: UInt32
  /// The environment that runs.
  public var environment: UInt32
}

/// Slices: for each processor a vector of positions, each owned by an environment, run in order.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  /// The slice vectors once more, linked, `BooksLayout.slices` for each processor.
  @inline(__always) var sliceNodes: Table<SliceNode> {
    unsafe Table(
      hardware.privateBase + PrivateLayout.sliceNodes, count: UInt32(BooksLayout.slices * BooksLayout.processors))
  }

  /// Where position `position` of this processor's vector is in the table of all vectors.
  @inline(__always) func sliceIndex(_ position: UInt32) -> UInt32 {
    processor.value.index &* UInt32(BooksLayout.slices) &+ position & 63
  }

  /// The node that is nobody's.
  var nobodysNode: Cell<SliceNode> {
    // Safe: the private layout gives it its own place.
    unsafe Cell(hardware.privateBase + PrivateLayout.nobodysNode)
  }

  /// The position whose turn it is, or nobody's.
  @inline(__always) public var sliceNode: Cell<SliceNode> {
    // Safe: the address is that of a node.
    unsafe Cell<SliceNode>(UnsafeMutableRawPointer(bitPattern: processor.value.node).unsafelyUnwrapped)
  }

  /// Starts the slice of the position behind `node`, which is `sliceNode`, at time-stamp `now` and returns its
  /// environment's record, in the usual case: the owner of the next position is runnable, runs nowhere, and owes less
  /// than a slice. Otherwise nil, and then nothing was changed: `nextTurn` and `enter` decide. They do the same step by
  /// step: change both ways. `TwinTests` runs them on the same states. Only where `needsChores` is 0, and after
  /// `giveUp`, which has settled the end of the slice before.
  @inline(__always) public func startNextSlice(after node: Cell<SliceNode>, at now: UInt64) -> Cell<EnvironmentRecord>?
  {
    let processor = self.processor
    // Safe: nodes lead to nodes, and to records, or to those that are nobody's.
    let next = unsafe Cell<SliceNode>(UnsafeMutableRawPointer(bitPattern: node.value.next).unsafelyUnwrapped)
    let record = unsafe Cell<EnvironmentRecord>(
      UnsafeMutableRawPointer(bitPattern: next.value.record).unsafelyUnwrapped)
    guard record.value.activity == UInt64(EnvironmentState.runnable.rawValue) else { return nil }
    let length = header.value.sliceLength
    // Safe: a position that has an owner leads to the owner's debt.
    let owed = unsafe Cell<UInt64>(UnsafeMutableRawPointer(bitPattern: next.value.debt).unsafelyUnwrapped)
    let debt = owed.value
    guard debt < length else { return nil }
    owed.value = 0
    record.value.activity = processor.value.running
    record.value.slicesRun &+= 1
    processor.value.node = next.address
    processor.value.sliceDebt = owed.address
    setTurn(next.value.turn)
    activate(record)
    let end = now &+ length &- debt
    processor.value.sliceEnd = end
    hardware.armDeadline(at: end)
    return record
  }

  /// Names position and environment that have the processor, for the kernel and in the books.
  @inline(__always) private func setTurn(_ turn: UInt64) {
    processor.value.turn = turn
    // Safe: the address is that of this processor's record.
    unsafe Cell<ProcessorRecord>(UnsafeMutableRawPointer(bitPattern: processor.value.exposed).unsafelyUnwrapped)
      .value.turn = turn
  }

  /// Puts a record's page table in force, and remembers the record.
  @inline(__always) func activate(_ record: Cell<EnvironmentRecord>) {
    let processor = self.processor
    processor.value.record = record.address
    let root = UInt64(record.value.rootTable) &<< 12
    if processor.value.activeRoot != root {
      processor.value.activeRoot = root
      hardware.activate(root: root)
    }
  }

  /// The next position in the vector, after the current one, whose owner can run; ends its sleep. Bounded by the
  /// vector's length. An owner that owes a whole slice pays with its position, whether it can run or not. The usual
  /// case, with `enter`, is `startNextSlice`: change both ways.
  public func nextTurn() -> Turn? {
    // Positions after the current one first: they come to the low end of the word.
    let start = processor.value.slice &+ 1
    var rest = processor.value.slicesTaken.rotatedRight(by: start)
    var indebted: Turn?
    while rest != 0 {
      let distance = UInt32(truncatingIfNeeded: rest.trailingZeroBitCount)
      rest &= rest &- 1
      let position = (start &+ distance) & 63
      let owner = slices[sliceIndex(position)].ownerPlusOne &- 1
      let isPaying = payWithPosition(owner)
      guard let environment = runner(of: owner) else { continue }
      let turn = Turn(position: position, environment: environment)
      guard isPaying else { return turn }
      if indebted == nil { indebted = turn }
    }
    // Nobody else wants the processor: who owes time may have it, and its debt was paid by one slice.
    return indebted
  }

  /// Who runs in a slice of `owner`'s: itself, or the environment whose transfer it waits for; nil where neither can.
  private func runner(of owner: UInt32) -> UInt32? {
    let record = environments.cell(at: owner)
    guard record.value.processorPlusOne == 0 else { return nil }
    switch record.value.state {
    case EnvironmentState.runnable.rawValue: return owner
    case EnvironmentState.sleeping.rawValue: return sleepIsOver(owner) || mustBeTold(owner) ? owner : nil
    case EnvironmentState.waiting.rawValue: return predicateHolds(owner) || mustBeTold(owner) ? owner : nil
    case EnvironmentState.calling.rawValue:
      if deadlineIsOver(owner) || mustBeTold(owner) {
        endCall(of: owner)
        return owner
      }
      guard let callee = environment(record.value.awaited), environments[callee].processorPlusOne == 0,
        environments[callee].state == EnvironmentState.runnable.rawValue
      else { return nil }
      return callee
    default: return nil
    }
  }

  /// Makes the environment of a turn the running one, with a slice before it that the owner's debt shortens. See
  /// `nextTurn`.
  public func enter(_ turn: Turn) {
    let processor = self.processor
    let node = sliceNodes.cell(at: sliceIndex(turn.position))
    processor.value.node = node.address
    processor.value.sliceDebt = node.value.debt
    setTurn(node.value.turn)
    environments[turn.environment].slicesRun &+= 1
    switchTo(environments.cell(at: turn.environment))
    processor.value.lateness = 0
    let end = hardware.timeStamp &+ header.value.sliceLength &- payWithTime()
    processor.value.sliceEnd = end
    hardware.armTimer(at: end)
  }

  /// Makes an environment the one that runs here, in whatever is left of the slice.
  @inline(__always) func switchTo(_ record: Cell<EnvironmentRecord>) {
    record.value.activity = processor.value.running
    processor.value.environment = Handle.index(record.value.handle)
    activate(record)
  }

  /// Nobody can run: lets the timer fire for the first sleeper that has a deadline, or the first request to give
  /// resources back. Bounded by the vector's length and the number of environments.
  public func armForIdle() {
    leaveProcessor()
    var earliest: UInt64 = 0
    var watchesMemory = false
    let now = hardware.timeStamp
    var taken = processor.value.slicesTaken
    while taken != 0 {
      let position = UInt32(truncatingIfNeeded: taken.trailingZeroBitCount)
      taken &= taken &- 1
      let environment = slices[sliceIndex(position)].ownerPlusOne &- 1
      let deadline: UInt64
      switch environments[environment].state {
      case EnvironmentState.sleeping.rawValue, EnvironmentState.calling.rawValue:
        deadline = environments[environment].sleepDeadline
      case EnvironmentState.waiting.rawValue:
        watchesMemory = true
        // A time that has come since the last look counts as well.
        deadline = predicateHolds(environment) ? now : nextDeadline(of: environment, after: now)
      default: continue
      }
      if deadline != 0, earliest == 0 || deadline < earliest { earliest = deadline }
    }
    // What an environment does not give back by the deadline, the kernel takes: so a deadline wakes the processor, too.
    var asked = kernelPrivate.value.asked
    while asked != 0 {
      let deadline = nextLook(of: UInt32(truncatingIfNeeded: asked.trailingZeroBitCount), now: now)
      asked &= asked &- 1
      if earliest == 0 || deadline < earliest { earliest = deadline }
    }
    // Who runs on another processor can write what somebody waits for here, without a call. Where nobody runs, a look
    // follows when somebody does.
    processor.value.isIdle = watchesMemory ? 2 : 1
    if watchesMemory, othersRun() {
      let look = now &+ header.value.sliceLength
      if earliest == 0 || look < earliest { earliest = look }
    }
    guard earliest != 0 else { return hardware.armTimer(at: 0) }
    let delta = earliest > now ? earliest &- now : 1
    hardware.armTimer(at: now &+ (delta < Self.idleLimit ? delta : Self.idleLimit))
  }

  /// Longest time for which the idle timer is set, in time-stamp units: sums and products with it do not overflow.
  static var idleLimit: UInt64 { 1 << 40 }

  /// True where a processor runs environments besides this one.
  private func othersRun() -> Bool {
    for index in 0..<header.value.processorCount
    where index != processor.value.index && processor(index).value.isIdle == 0 {
      return true
    }
    return false
  }

  /// This processor has been idle, and will run somebody: those that watch memory must look from time to time.
  public func leaveIdle() {
    for index in 0..<header.value.processorCount
    where index != processor.value.index && processor(index).value.isIdle == 2 {
      hardware.interrupt(processor: index)
    }
  }

  /// No environment runs here, and others may have the lock. Its page table is not in force any more either: another
  /// processor may change it.
  public func leaveProcessor() {
    let processor = self.processor
    processor.value.environment = BooksLayout.noEnvironment
    if processor.value.activeRoot != hardware.templateRoot {
      hardware.activate(root: hardware.templateRoot)
      processor.value.activeRoot = hardware.templateRoot
    }
  }
}

extension UInt64 {
  /// The number with its bits moved down by `count`, those that fall out coming in at the top.
  @inline(__always) func rotatedRight(by count: UInt32) -> UInt64 {
    let distance = UInt64(count & 63)
    return self &>> distance | self &<< (64 &- distance & 63)
  }
}
