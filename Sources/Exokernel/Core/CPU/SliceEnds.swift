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

/// The end of a slice.
extension Kernel {
  /// Slices an environment may run past its epilogue upcall before it is ended. Time that the host gives to others
  /// counts, too, so it is no small number; what the environment overran, it pays in any case.
  public static var overrunLimit: UInt16 { 32 }

  /// The timer fired, at time-stamp `now`, while an environment ran at `instruction`. The usual case, an epilogue
  /// upcall that nothing defers, is served by `entry_timer` in entries.S, which makes the same checks: change both.
  /// `TimerEntryTests` runs them on the same states.
  public func sliceEnded(at instruction: UInt64, now: UInt64) -> SliceEnd {
    let processor = self.processor
    hardware.armTimer(at: now &+ header.value.sliceLength)
    guard processor.value.epiloguePending == 0 else { return overran(at: instruction) }
    guard processor.value.isAlone == 0 else {
      // Alone on this processor: its next slice begins at once.
      currentRecord.value.slicesRun &+= 1
      processor.value.sliceEnd = now &+ header.value.sliceLength
      return .goOn
    }
    return epilogue(at: instruction)
  }

  /// The timer fired while an epilogue is outstanding: the environment that ran at the end of the slice still does, and
  /// that is one overrun more. At `overrunLimit` it is ended; before, a deferred upcall is tried again.
  private func overran(at instruction: UInt64) -> SliceEnd {
    processor.value.overrun &+= 1
    guard processor.value.overrun < Self.overrunLimit else { return .abort }
    return processor.value.epiloguePending == 1 ? .goOn : epilogue(at: instruction)
  }

  /// Delivers the epilogue upcall, or defers it to the next end of a slice. It is deferred
  /// (a) in a critical section;
  /// (b) while a page fault is pending: the stack itself may have faulted, onto which the epilogue saves registers;
  /// (c) while no entry is bound, as before a program's first call;
  /// (d) in the gate window, where the registers or the stack are not yet the environment's own.
  /// The usual case runs in `entry_timer` (entries.S): change both.
  private func epilogue(at instruction: UInt64) -> SliceEnd {
    let page = page(of: currentRecord)
    let entry = currentRecord.value.epilogueEntry
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
}
