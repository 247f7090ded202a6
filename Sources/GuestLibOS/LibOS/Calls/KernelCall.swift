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

  /// Calls until the kernel has found free frames or says that there are none: each `again` brought it nearer to that,
  /// as do the ends of slices where frames are still being cleared.
  static func untilFound(_ call: () -> CallResult) throws(CallError) -> UInt64 {
    while true {
      do throws(CallError) { return try call().value() } catch {
        guard error == .again else { throw error }
        yield()
      }
    }
  }

  /// Slices for which `untilPaid` waits: ten times what an environment can owe for one child.
  private static var longestPayment: Int { 320 }

  /// Makes a call that gives a processor's time to somebody, and yields and makes it again where this environment owes
  /// that processor a slice, as for children that ran past the ends of theirs. `again` where it has no position there
  /// to pay with, or is in debt too deep.
  static func untilPaid(_ call: () throws(CallError) -> Void) throws(CallError) {
    for _ in 0..<longestPayment {
      do throws(CallError) { return try call() } catch { guard error == .again else { throw error } }
      yield()
    }
    throw .again
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

  /// Sleeps until the predicate holds that was bound last; at once where it holds, or none is bound.
  public static func sleepUntilPredicate() { libos_sleep_until() }

  /// Transfers control to another environment with six words of message, which are those of whoever transfers back
  /// afterwards; returns that one's handle. A synchronous transfer returns `Handle.none`, and leaves the message empty,
  /// where the other one ended instead, the time-stamp counter reached `deadline` (0: no deadline), or the kernel had
  /// to tell of a revocation. At the end of a slice the transfer is put off to the next one.
  public static func transfer(
    to environment: UInt64, capability slot: UInt64, mode: TransferMode, message: inout InlineArray<6, UInt64>,
    deadline: UInt64 = 0
  ) throws(CallError) -> UInt64 {
    while true {
      var words = message
      // Safe: the array is six words, which the function reads and writes before it returns.
      let result = unsafe withUnsafeMutablePointer(to: &words) {
        unsafe libos_transfer(
          slot, environment, mode.rawValue, UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt64.self), deadline)
      }
      guard result != CallError.again.rawValue else {
        yield()
        continue
      }
      message = words
      return try CallResult(rawValue: result).value()
    }
  }

  /// Sleeps until the event count differs from `events` or the time-stamp counter reaches `deadline` (0: no deadline).
  public static func sleep(events: UInt64, deadline: UInt64) { libos_sleep(events, deadline) }

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

  /// An environment's page table, for calls that take one: the caller's capability for it is in `slot`.
  public static func table(of environment: UInt64, capability slot: UInt64) -> UInt64 {
    TableArgument(environment: environment, slot: slot).rawValue
  }

  /// Makes an environment as `block` says; returns its handle, and puts a capability for it into the empty slot `into`.
  public static func createEnvironment(
    _ block: CreationBlock, capability slot: UInt64 = CapabilitySlot.own, into: UInt64
  )
    throws(CallError) -> UInt64
  {
    // Safe: the block has its place in the environment page, which is always mapped.
    let place = UInt(AddressMap.environmentPage &+ EnvironmentPage.creationBlockOffset)
    unsafe UnsafeMutablePointer<CreationBlock>(bitPattern: place).unsafelyUnwrapped.pointee = block
    return try untilFound { call(.environmentCreate, slot, into) }
  }
}
