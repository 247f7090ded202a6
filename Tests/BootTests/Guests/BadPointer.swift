import LibOS

/// Reads through a pointer to nothing.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to read 0x123456789000")
  let pointer = unsafe UnsafePointer<UInt64>(bitPattern: 0x1234_5678_9000 as UInt)
  Console.put(unsafe pointer?.pointee ?? 0)
  Console.line(" survived")
  return 0
}
