import CLibOS
import ExokernelABI

/// What the caller does after a control transfer.
public enum TransferMode: UInt64, Sendable {
  /// It stays runnable (`CallNumber.transfer`).
  case asynchronous = 0
  /// It waits until the callee transfers to it (`CallNumber.call`).
  case synchronous = 1
  /// It sleeps until it is transferred to, or an event comes (`CallNumber.answer`).
  case final = 2
}

/// The kernel's calls as Swift functions. What each checks and returns is told at `CallNumber`.
public enum KernelCall {
  @inline(__always)
  static func call(
    _ number: CallNumber, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0
  ) -> CallResult {
    CallResult(rawValue: libos_call(number.rawValue, a, b, c, d, e))
  }

  /// Calls until the kernel has found free frames or says that there are none: each `again` brought it nearer to that, as do the ends of
  /// slices where frames are still being cleared.
  static func untilFound(_ call: () -> CallResult) throws(CallError) -> UInt64 {
    while true {
      do throws(CallError) { return try call().value() } catch {
        guard error == .again else { throw error }
        yield()
      }
    }
  }

  /// Does nothing; `mark` is for whoever traces the machine.
  public static func null(mark: UInt64 = 0) { _ = call(.null, mark) }

  /// The same through the gate that preserves every register.
  public static func nullPreservingRegisters(mark: UInt64 = 0) {
    _ = libos_call_preserving(CallNumber.null.rawValue, mark)
  }

  /// Ends this environment.
  public static func exit(status: UInt8) -> Never {
    _ = call(.exit, UInt64(status))
    while true { libos_pause() }
  }

  /// Gives up the rest of the slice.
  public static func yield() { libos_yield() }

  /// Gives the rest of the slice to another environment that can run; returns when it is this one's turn again.
  public static func yield(to environment: UInt64) throws(CallError) {
    _ = try CallResult(rawValue: libos_yield_to(environment)).value()
  }

  /// Takes over `count` comparisons at `offset` in a frame as this environment's wakeup predicate; none unbinds it.
  public static func bindPredicate(
    frame: UInt64, offset: UInt64, count: UInt64, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.predicateBind, capability, frame, offset, count).value()
  }

  /// Sleeps until the predicate holds that was bound last; at once where it holds, or none is bound.
  public static func sleepUntilPredicate() { libos_sleep_until() }

  /// Counts an event of another environment's, so that it wakes from `sleep`.
  public static func wake(_ environment: UInt64, capability slot: UInt64) throws(CallError) {
    _ = try call(.wake, slot, environment).value()
  }

  /// Says where control transfers arrive (entry 0: nowhere), and from whom they are accepted: from environments whose guards start with
  /// `length` bytes of `name`.
  public static func bindTransfer(entry: UInt64, stack: UInt64, name: UInt64, length: UInt64) throws(CallError) {
    _ = try call(.transferBind, entry, stack, name, length).value()
  }

  /// Transfers control to another environment with six words of message, which are those of whoever transfers back afterwards; returns that
  /// one's handle. `Handle.none` where the other one ended instead.
  public static func transfer(
    to environment: UInt64, capability slot: UInt64, mode: TransferMode, message: inout InlineArray<6, UInt64>
  ) throws(CallError) -> UInt64 {
    // Safe: the array is six words, which the function reads and writes before it returns.
    let result = unsafe withUnsafeMutablePointer(to: &message) {
      unsafe libos_transfer(
        slot, environment, mode.rawValue, UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self))
    }
    return try CallResult(rawValue: result).value()
  }

  /// Sleeps until the event count differs from `events` or the time-stamp counter reaches `deadline` (0: no deadline).
  public static func sleep(events: UInt64, deadline: UInt64) { libos_sleep(events, deadline) }

  /// Writes the first `count` bytes of the console buffer as a line.
  public static func consoleWrite(count: UInt64) throws(CallError) { _ = try call(.consoleWrite, count).value() }

  /// Names the entries for page faults, for the end and the beginning of a slice, and for requests to give resources back; 0 for none.
  /// `start.S` has done so with the library's own for the first two.
  public static func bindUpcalls(fault: UInt64, epilogue: UInt64, prologue: UInt64 = 0, revocation: UInt64 = 0)
    throws(CallError)
  {
    _ = try call(.upcallBind, fault, epilogue, prologue, revocation).value()
  }

  /// Binds the upcalls' entries anew, of this environment's record as `change` leaves it.
  static func changeUpcalls(_ change: (inout EnvironmentRecord) -> Void) throws(CallError) {
    guard var record = Books.environment(Environment.number) else { throw .noSuchResource }
    change(&record)
    try bindUpcalls(
      fault: record.faultEntry, epilogue: record.epilogueEntry, prologue: record.prologueEntry,
      revocation: record.revocationEntry)
  }

  /// Ends this environment because of the page fault it was told of last.
  public static func declineFault() -> Never {
    _ = call(.faultDecline)
    while true { libos_pause() }
  }

  /// Ends this environment because of an exception that it cannot serve.
  public static func declineException(_ exception: ExceptionFrame) -> Never {
    _ = call(.exceptionDecline, exception.vector, exception.instruction, exception.code)
    while true { libos_pause() }
  }

  /// Binds a range of a disk; returns the extent's number.
  public static func bindExtent(disk: UInt64, first: UInt64, count: UInt64, rights: Rights) throws(CallError) -> UInt64
  {
    try call(.extentBind, CapabilitySlot.disks, disk, first, count, UInt64(rights.rawValue)).value()
  }

  /// Starts a transfer between `count` blocks and one frame.
  public static func submitBlocks(
    extent: UInt64, first: UInt64, count: UInt64, frame: UInt64, isWrite: Bool, tag: UInt64
  ) throws(CallError) {
    _ = try call(.blockSubmit, CapabilitySlot.own | extent &<< 32, first, frame, count | (isWrite ? 1 &<< 32 : 0), tag)
      .value()
  }

  /// Binds a packet filter, `count` words in `code`'s frame, to the ring in `ring`'s frame; returns the filter's number.
  public static func bindFilter(code: UInt64, count: UInt64, ring: UInt64, slots: UInt64) throws(CallError) -> UInt64 {
    try call(.filterBind, CapabilitySlot.networks, code, count, ring, slots).value()
  }

  /// Removes a filter.
  public static func unbindFilter(_ filter: UInt64) throws(CallError) {
    _ = try call(.filterUnbind, CapabilitySlot.own, filter).value()
  }

  /// Sends what the send block describes.
  public static func sendPacket(interface: UInt64) throws(CallError) {
    _ = try call(.packetSend, CapabilitySlot.networks, interface).value()
  }

  /// Lets go of an extent.
  public static func unbindExtent(_ extent: UInt64) throws(CallError) {
    _ = try call(.extentUnbind, CapabilitySlot.own, extent).value()
  }

  /// Takes a position of a slice vector, a named one (processor << 8 | position) or any; returns it.
  public static func allocateSlice(_ position: UInt64 = CallNumber.any, capability: UInt64 = CapabilitySlot.own)
    throws(CallError) -> UInt64
  {
    try call(.sliceAllocate, capability, position).value()
  }

  /// Gives a position of a slice vector back.
  public static func freeSlice(_ position: UInt64, capability: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.sliceFree, capability, position).value()
  }

  /// Makes a position another environment's.
  public static func giveSlice(_ position: UInt64, to environment: UInt64, capability: UInt64 = CapabilitySlot.own)
    throws(CallError)
  {
    _ = try call(.sliceGive, capability, position, environment).value()
  }

  /// Writes the first `count` bytes of the console buffer as they are; `slot` holds a capability for the console.
  public static func consoleDraw(count: UInt64, capability slot: UInt64) throws(CallError) {
    _ = try call(.consoleDraw, slot, count).value()
  }
}
