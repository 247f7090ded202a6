import CRingZero
import ExokernelABI
import ExokernelCore

/// Which instruction enters the kernel: SYSCALL where it changes the privilege level, `int $4` elsewhere.
enum KernelGate {
  /// FMASK: trap, interrupt, direction, nested task, I/O privilege, alignment check.
  private static var mask: UInt64 { 0x47700 }

  static func choose() -> UInt32 {
    ring0_write_msr(0xc000_0081, 0x0023_0010_0000_0000)
    ring0_write_msr(0xc000_0084, mask)
    ring0_write_msr(0xc000_0082, UInt64(ring0_probe_syscall_arrived_address()))
    let kind = ring0_probe(ImageLayout.syscallProbe)
    Processor.enableVectors()
    let hasVectors = ring0_probe(ImageLayout.vectorProbe) != 0
    open()
    if kind == 0 || hasVectors {
      let table = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_exposed_table_address()).unsafelyUnwrapped
      // Safe: the first entry of the exposed table is the gate page's; present, user, executable. The gate pages lie in a row.
      let page = RingZeroHardware().physical(ring0_gate_interrupt_address()) &+ (kind == 0 ? 0x2000 : 0)
      unsafe table.pointee = page &+ (hasVectors ? 0x1000 : 0) | 5
      ring0_invalidate_page(AddressMap.gatePage)
    }
    return kind
  }
}

extension KernelGate {
  /// Calls take no lock from now on: there is one processor, and no other was ever asked to start. Where SYSCALL does not change the
  /// privilege level, it stays where its page fault is known.
  static func openWithoutLock() {
    ring0_stop_locking()
    guard kernel.header.value.entryKind == 0 else { return }
    ring0_write_msr(0xc000_0082, UInt64(ring0_entry_syscall_alone_address()))
  }

  /// Points SYSCALL to this processor's entries.
  static func open() {
    let offset = UInt64(kernel.processor.value.index) &* 64
    ring0_write_msr(0xc000_0081, 0x0023_0010_0000_0000)
    ring0_write_msr(0xc000_0084, mask)
    ring0_write_msr(0xc000_0082, UInt64(ring0_entry_syscall_address()) &+ offset)
    // Where 32-bit code's SYSCALL arrives, on processors that have it: it must not be address 0, which an environment may map.
    ring0_write_msr(0xc000_0083, UInt64(ring0_entry_syscall_32_address()) &+ offset)
  }
}
