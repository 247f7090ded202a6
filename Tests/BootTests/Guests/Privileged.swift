import CInstructions
import LibOS

/// Disables interrupts, if it may.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to disable interrupts")
  disable_interrupts()
  Console.line("survived")
  return 0
}
