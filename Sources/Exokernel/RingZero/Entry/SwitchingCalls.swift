import CRingZero
import ExokernelABI
import ExokernelCore

// The call table's entries that are written by hand, for they are more than the kernel's function of the same name:
// calls that give the processor up, end their caller, or go on as another environment; and the call that does nothing.

@c(call_null) func callNull() -> Int64 { 0 }

@c(call_exit) func callExit(_ status: UInt64) -> Int64 {
  kernel.end(kernel.current, status: UInt32(truncatingIfNeeded: status & 0xff))
  Dispatcher.run()
}

@c(call_yield) func callYield() -> Int64 {
  let frame = UserFrame.current
  let now = ring0_time_stamp()
  let node = kernel.sliceNode
  guard kernel.giveUp(instruction: frame.instruction, stack: frame.stack, node: node, now: now) else {
    yieldLate(at: now)
  }
  return Dispatcher.runNext(after: node, at: now)
}

/// The slice is over that was somebody else's.
private func yieldLate(at now: UInt64) -> Never {
  kernel.chargeLate(until: now)
  Dispatcher.run()
}

@c(call_yield_to) func callYieldTo(_ environment: UInt64) -> Int64 {
  let receiver = kernel.recordNumbered(by: environment)
  if let error = kernel.yieldRefusal(environment: environment, receiver) { return kernel.refuse(error).rawValue }
  guard !kernel.sliceIsOver else { return callYield() }
  let frame = UserFrame.current
  kernel.yield(to: receiver, instruction: frame.instruction, stack: frame.stack)
  return Dispatcher.resume()
}

@c(call_sleep) func callSleep(_ events: UInt64, _ deadline: UInt64) -> Int64 {
  guard kernel.sleep(events: events, deadline: deadline) else { return 0 }
  let frame = UserFrame.current
  kernel.giveUp(instruction: frame.instruction, stack: frame.stack)
  Dispatcher.run()
}

@c(call_sleep_until) func callSleepUntil() -> Int64 {
  guard kernel.sleepUntil() else { return 0 }
  let frame = UserFrame.current
  kernel.giveUp(instruction: frame.instruction, stack: frame.stack)
  Dispatcher.run()
}

@c(call_fault_decline) func callFaultDecline() -> Int64 {
  let instruction = kernel.page(of: kernel.current).value.faultInstruction
  Dispatcher.abort(kernel.declinedFault(), at: instruction)
}

@c(call_exception_decline)
func callExceptionDecline(_ vector: UInt64, _ instruction: UInt64, _ code: UInt64) -> Int64 {
  Dispatcher.abort(.exception(vector: vector, code: code), at: instruction)
}

@c(call_environment_destroy) func callEnvironmentDestroy(_ slot: UInt64, _ environment: UInt64) -> Int64 {
  do throws(CallError) {
    let index = try kernel.decodeEnvironmentDestroy(slot: slot, environment: environment)
    guard kernel.performEnvironmentDestroy(index) else { return 0 }
    Dispatcher.run()
  } catch {
    return kernel.refuse(error).rawValue
  }
}

@c(kernel_transfer) func callTransfer(_ slot: UInt64, _ environment: UInt64) -> TransferReturn {
  transferGenerally(slot, environment, 0, .asynchronous)
}

@c(kernel_call) func callCall(_ slot: UInt64, _ environment: UInt64, _ deadline: UInt64) -> TransferReturn {
  // Safe: the frame is this call's own, at the top of the stack.
  let frame = unsafe UserFrame.place
  let arrival = unsafe kernel.callSleeper(
    slot: slot, environment: environment, deadline: deadline, instruction: frame.pointee.instruction,
    stack: frame.pointee.stack)
  guard let arrival else { return transferGenerally(slot, environment, deadline, .synchronous) }
  return arrive(arrival)
}

@c(kernel_answer) func callAnswer(_ slot: UInt64, _ environment: UInt64) -> TransferReturn {
  // Safe: as in `callCall`.
  let frame = unsafe UserFrame.place
  let arrival = unsafe kernel.answer(
    environment: environment, instruction: frame.pointee.instruction, stack: frame.pointee.stack)
  guard let arrival else { return transferGenerally(slot, environment, 0, .final) }
  return arrive(arrival)
}

@inline(never)
private func transferGenerally(_ slot: UInt64, _ environment: UInt64, _ deadline: UInt64, _ mode: TransferMode)
  -> TransferReturn
{
  let callee = kernel.recordNumbered(by: environment)
  if let error = kernel.transferRefusal(slot: slot, environment: environment, callee) {
    return TransferReturn(result: kernel.refuse(error).rawValue, entry: 0)
  }
  let frame = UserFrame.current
  return arrive(
    kernel.transfer(
      to: callee, mode: mode, deadline: deadline, instruction: frame.instruction, stack: frame.stack))
}

/// The call returns as the other environment, by way of the gate page, which empties the registers that are not the
/// message.
@inline(__always) private func arrive(_ arrival: Arrival) -> TransferReturn {
  // Safe: the frame is this call's own, at the top of the stack.
  let frame = unsafe UserFrame.place
  unsafe frame.pointee.instruction = AddressMap.arrivalGate
  unsafe frame.pointee.codeSegment = Selector.userCode
  unsafe frame.pointee.flags = ProcessorFlags.user
  unsafe frame.pointee.stack = arrival.stack
  return TransferReturn(result: Int64(bitPattern: arrival.caller), entry: arrival.entry)
}
