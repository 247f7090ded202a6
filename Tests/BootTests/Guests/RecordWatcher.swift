import CLibOS
import ExokernelABI
import LibOS

/// Keeps the processor busy until environment 1 has ended and its record is free again, five seconds at most.
@c(program_main)
public func programMain() -> Int32 {
  let record = AddressMap.books + BooksLayout.environmentsOffset + UInt64(MemoryLayout<EnvironmentRecord>.stride)
  let deadline = Clock.nanoseconds + 5_000_000_000
  // The state is the record's first field.
  while libos_load32(UInt(record)) != EnvironmentState.free.rawValue, Clock.nanoseconds < deadline {}
  Console.line(
    libos_load32(UInt(record)) == EnvironmentState.free.rawValue ? "the record is free" : "the record is never freed")
  return 0
}
