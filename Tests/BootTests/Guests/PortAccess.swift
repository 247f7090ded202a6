import CInstructions
import LibOS

/// Writes to the port that ends the machine.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to write port 0xf4")
  write_port(0xf4, 0x2a)
  Console.line("survived")
  return 0
}
