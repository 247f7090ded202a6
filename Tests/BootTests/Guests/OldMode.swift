import CInstructions
import ExokernelABI
import LibOS

/// Faults in a 32-bit code segment, with a fault entry that no such segment reaches.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to fault in 32-bit mode")
  do throws(CallError) { try KernelCall.bindUpcalls(fault: 0x6000_0000_0000, epilogue: 0) } catch { return 70 }
  read_in_32_bit_mode(0x10)
  return 0
}
