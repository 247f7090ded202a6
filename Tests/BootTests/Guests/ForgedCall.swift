import CInstructions
import LibOS

/// Jumps to the kernel's entry for SYSCALL, whose address is its first argument, in decimal. Second argument `flags`:
/// with flags that allow port access, which it then tries; `return`: with a return address that is none.
@c(program_main)
public func programMain() -> Int32 {
  var entry: UInt64 = 0
  var mode: UInt8 = 0
  for byte in Environment.arguments() {
    if byte >= 0x30, byte <= 0x39 { entry = entry &* 10 &+ UInt64(byte - 0x30) }
    if byte >= 0x61, mode == 0 { mode = byte }
  }
  Console.line("about to forge a call")
  if mode == 0x72 {
    forged_call(entry, 0x8000_0000_0000_0000, 0x202)
  } else {
    forged_call(entry, 0, 0x3202)
    write_port(0xf4, 0x2a)
  }
  Console.line("survived")
  return 0
}
