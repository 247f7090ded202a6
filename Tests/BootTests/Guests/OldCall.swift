import CInstructions
import ExokernelABI
import LibOS

/// Executes SYSCALL in a 32-bit code segment, which leads some processors to another entry, and has code at address 0,
/// where that must not be: it writes a port that ends the machine.
@c(program_main)
public func programMain() -> Int32 {
  Console.line("about to call in 32-bit mode")
  guard PageSpace.mapFresh(at: 0x1000, count: 1) else { return 71 }
  do throws(CallError) {
    let frame = try KernelCall.allocateFrame()
    try KernelCall.mapFrame(frame, at: 0x2000, rights: .read | .write)
    // mov $1, %al; out %al, $0xf4; jmp .
    for (index, byte) in [0xb0, 0x01, 0xe6, 0xf4, 0xeb, 0xfe].enumerated() {
      // Safe: the page was mapped for this.
      unsafe UnsafeMutablePointer<UInt8>(bitPattern: 0x2000 as UInt)?[index] = UInt8(byte)
    }
    try KernelCall.mapFrame(frame, at: 0, rights: .read | .execute)
  } catch { return 70 }
  syscall_in_32_bit_mode()
  return 0
}
