import ExokernelABI
import LibOS

/// Makes itself the owner of every frame, if the books let it.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to write the books")
  unsafe UnsafeMutablePointer<UInt64>(bitPattern: UInt(AddressMap.books))?.pointee = 0
  Console.line("survived")
  return 0
}
