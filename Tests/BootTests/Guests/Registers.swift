import CInstructions
import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Two environments that share a processor keep numbers in all of their x87 and vector registers over many slices. The
/// arguments say how many slices at least; `upper` asks for the upper halves of vector registers that a third
/// environment may have left behind.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    let other = try ChildEnvironment.companion(argument: 1000) { seed, page in
      Int32(truncatingIfNeeded: keepRegisters(seed))
    }
    try other.start(position: 63)
    let before = Books.environment(Environment.number)?.slicesRun ?? 0
    let bad = keepRegisters(2000)
    let slices = (Books.environment(Environment.number)?.slicesRun ?? 0) &- before
    guard slices >= 5 else { return fail("the slices that should have ended", slices) }
    guard bad == 0 else { return fail("registers", bad) }
    guard other.wait(), let record = other.lastRecord, record.slicesRun >= 5 else {
      return fail("the other environment")
    }
    guard record.exitStatus == 0 else { return fail("the other one's registers", UInt64(record.exitStatus)) }
  } catch { return fail(error) }
  Console.line(
    libos_vector_registers() & 4 != 0
      ? "x87, SSE and AVX registers outlive the ends of slices" : "x87 and SSE registers outlive the ends of slices")
  return 0
}

private func keepRegisters(_ seed: UInt64) -> UInt64 {
  keep_registers(seed, Clock.timeStamp(after: 200_000_000), libos_vector_registers() & 4 != 0 ? 1 : 0)
}
