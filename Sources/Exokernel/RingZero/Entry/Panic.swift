import CRingZero
import ExokernelABI
import ExokernelCore

/// The kernel's own end: an epitaph on the console, then the machine ends with status 70.
enum Panic {
  /// Ends the machine with `status`: by our port, by QEMU's, by the keyboard controller's reset line, by standing
  /// still.
  static func endMachine(_ status: UInt32) -> Never {
    let value = UInt8(truncatingIfNeeded: status)
    ring0_out8(MachinePort.exit, value)
    ring0_out8(MachinePort.debugExit, value)
    ring0_out8(0x64, 0xfe)
    while true { ring0_halt() }
  }

  /// A reason and a number.
  static func end(_ text: StaticString, _ value: UInt64) -> Never {
    kernel.writeLine(text, value)
    RingZeroHardware().tellCrash(at: 0, record: 0)
    endMachine(70)
  }

  /// A reason and a count, in decimal.
  static func end(_ text: StaticString, count: UInt64) -> Never {
    kernel.writeLine(text, count: count)
    RingZeroHardware().tellCrash(at: 0, record: 0)
    endMachine(70)
  }

  /// A page fault in ring 0.
  static func fault(_ frame: UnsafePointer<TrapFrame>, _ address: UInt64) -> Never {
    kernel.writeLine("panic: page fault at ", address)
    unsafe registers(frame)
    unsafe RingZeroHardware().tellCrash(at: frame.pointee.instruction, record: 0)
    endMachine(70)
  }

  /// Any other exception in ring 0; a Swift trap arrives as vector 6.
  static func exception(_ frame: UnsafePointer<TrapFrame>, _ others: UnsafePointer<UInt64>) -> Never {
    // Safe: entries.S passes the frame and the six callee-saved registers below it.
    unsafe kernel.writeLine("panic: exception ", frame.pointee.vector)
    unsafe registers(frame)
    unsafe kernel.writeLine("r15 ", others[0])
    unsafe kernel.writeLine("r14 ", others[1])
    unsafe kernel.writeLine("r13 ", others[2])
    unsafe kernel.writeLine("r12 ", others[3])
    unsafe kernel.writeLine("rbp ", others[4])
    unsafe kernel.writeLine("rbx ", others[5])
    unsafe RingZeroHardware().tellCrash(at: frame.pointee.instruction, record: 0)
    endMachine(70)
  }

  private static func registers(_ frame: UnsafePointer<TrapFrame>) {
    // Safe: as in `exception`.
    let frame = unsafe frame.pointee
    kernel.writeLine("rip ", frame.instruction)
    kernel.writeLine("error code ", frame.code)
    kernel.writeLine("rsp ", frame.stack)
    kernel.writeLine("flags ", frame.flags)
    kernel.writeLine("rax ", frame.rax)
    kernel.writeLine("rcx ", frame.rcx)
    kernel.writeLine("rdx ", frame.rdx)
    kernel.writeLine("rsi ", frame.rsi)
    kernel.writeLine("rdi ", frame.rdi)
    kernel.writeLine("r8 ", frame.r8)
    kernel.writeLine("r9 ", frame.r9)
    kernel.writeLine("r10 ", frame.r10)
    kernel.writeLine("r11 ", frame.r11)
    kernel.writeLine("environment ", UInt64(kernel.processor.value.environment))
  }
}
