import LibOS

/// Writes to the kernel's text and to the books.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to write the kernel")
  unsafe UnsafeMutablePointer<UInt64>(bitPattern: 0xffff_ffff_8020_0000 as UInt)?.pointee = 0
  Console.line("survived")
  return 0
}
