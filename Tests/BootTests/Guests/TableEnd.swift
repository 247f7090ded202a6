import ExokernelABI
import LibOS

/// Reads what is mapped behind the frame table, up to the end of its last large page: it must be nobody's.
@c(program_main)
public func programMain() -> Int32 {
  var address = AddressMap.frameTable + UInt64(Books.header.frameCount) * 32
  var found: UInt64 = 0
  while address & 0x1f_ffff != 0 {
    // Safe: the kernel maps the table with pages of 2 MiB.
    if unsafe UnsafePointer<UInt64>(bitPattern: UInt(address))?.pointee != 0 { found += 1 }
    address += 8
  }
  Console.put(found == 0 ? "nothing" : "something")
  Console.line(" behind the frame table")
  return 0
}
