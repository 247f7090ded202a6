import ExokernelABI
import LibOS

// What a test program finds, and what it says in the end. Nothing here allocates: also who has no frame left, or copies
// its memory, says it. Safe: one thread of the processor counts.

nonisolated(unsafe) private var failures: UInt64 = 0

/// Tells of a failure where `truth` is false.
public func expect(_ truth: Bool, _ text: StaticString) {
  if !truth { _ = fail(text) }
}

/// The same with a number that says more: an error's, a kind's.
public func expect(_ truth: Bool, _ text: StaticString, _ number: UInt64) {
  if !truth { _ = fail(text, number) }
}

/// Tells of a failure where the kernel does not refuse a call with `expected`, and with what it was refused instead.
public func expect(_ expected: CallError, _ text: StaticString, _ call: () throws(CallError) -> Void) {
  guard let error = refusal(of: call) else { return expect(false, text) }
  expect(error == expected, text, error.number)
}

/// What a call is refused with; nil where it succeeds.
public func refusal(of call: () throws(CallError) -> Void) -> CallError? {
  do throws(CallError) {
    try call()
    return nil
  } catch { return error }
}

/// Tells of a failure; returns the exit status that tells of one.
public func fail(_ what: StaticString) -> Int32 {
  unsafe failures &+= 1
  Console.put("FAILED: ")
  Console.line(what)
  return 1
}

/// The same with a number behind a space or other words.
public func fail(_ what: StaticString, _ number: UInt64, behind joint: StaticString = " ") -> Int32 {
  unsafe failures &+= 1
  Console.put("FAILED: ")
  Console.put(what)
  Console.put(joint)
  Console.put(number)
  Console.flush()
  return 1
}

/// Tells that a call was refused that should have succeeded; returns the exit status that tells of that.
public func fail(_ error: CallError) -> Int32 {
  _ = fail("a call was refused with", error.number)
  return 70
}

/// Says how the whole program ends, by whether anything has failed; returns its exit status.
public func verdict(_ right: StaticString, or wrong: StaticString) -> Int32 {
  let isRight = unsafe failures == 0
  Console.line(isRight ? right : wrong)
  return isRight ? 0 : 1
}

/// The same after `body`, which is the program: no call of it may be refused unless it expects that.
public func verdict(_ right: StaticString, or wrong: StaticString, after body: () throws(CallError) -> Void) -> Int32 {
  do throws(CallError) { try body() } catch { return fail(error) }
  return verdict(right, or: wrong)
}

extension CallError {
  /// Its number without the sign, as `Console` writes numbers.
  public var number: UInt64 { UInt64(bitPattern: -rawValue) }
}
