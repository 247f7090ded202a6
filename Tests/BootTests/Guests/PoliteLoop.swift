import CInstructions
import LibOS

/// Loops for ever, but on a library operating system that gives the processor up at the end of each slice.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to loop with an epilogue")
  loop_forever()
  return 0
}
