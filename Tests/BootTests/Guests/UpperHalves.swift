import CInstructions
import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Looks for what another environment, with which it shares the processor, has in the upper halves of its vector
/// registers.
@c(program_main)
public func programMain() -> Int32 {
  guard libos_vector_registers() & 4 != 0 else {
    Console.line("there is no AVX here")
    return 0
  }
  do throws(CallError) {
    let other = try ChildEnvironment.companion { _, _ in
      Int32(truncatingIfNeeded: keep_registers(1, Clock.timeStamp(after: 100_000_000), 1))
    }
    try other.start(position: 63)
    var traces: UInt64 = 0
    while other.isLive {
      KernelCall.yield()
      traces |= upper_traces()
    }
    Console.line(traces == 0 ? "nothing is left behind" : "FAILED: something was left behind")
    return traces == 0 ? 0 : 1
  } catch { return fail(error) }
}
