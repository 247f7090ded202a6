import CLibOS
import LibOS

/// Faults in its own fault handler.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to fault in the fault handler")
  PageFaults.handler = { address, _ in libos_load64(UInt(address) + 0x1000) != 0 }
  _ = libos_load64(0x1234_5678_9000)
  Console.line("survived")
  return 0
}
