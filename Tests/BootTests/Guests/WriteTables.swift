import ExokernelABI
import LibOS

/// Maps the kernel for itself by writing its own page table, if it can.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to write a page table")
  let entry = UInt(AddressMap.selfMap + (AddressMap.environmentPage >> 12) * 8)
  unsafe UnsafeMutablePointer<UInt64>(bitPattern: entry)?.pointee = 7
  Console.line("survived")
  return 0
}
