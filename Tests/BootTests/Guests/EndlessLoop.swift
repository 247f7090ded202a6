import CInstructions
import ExokernelABI
import LibOS

/// Takes the upcall at the end of its slice for granted, and never gives the processor up.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to loop without an epilogue")
  do throws(CallError) { try KernelCall.bindUpcalls(fault: 0, epilogue: 0) } catch { return 70 }
  loop_forever()
  return 0
}
