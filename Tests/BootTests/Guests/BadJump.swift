import CInstructions
import LibOS

/// Jumps into the kernel.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to jump into the kernel")
  jump_to(0xffff_ffff_8020_1000)
  Console.line("survived")
  return 0
}
