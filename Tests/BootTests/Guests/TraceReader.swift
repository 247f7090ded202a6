import CInstructions
import LibOS

/// Looks at the vector registers each time it gets the processor.
@c(program_main)
public func programMain() -> Int32 {
  var found = false
  for _ in 0..<60 {
    KernelCall.yield()
    if vector_traces() != 0 || vector_control() & 0xffc0 != 0x1f80 { found = true }
  }
  Console.line(found ? "another's registers" : "clean registers")
  return 0
}
