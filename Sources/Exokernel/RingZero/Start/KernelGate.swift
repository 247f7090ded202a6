import CRingZero
import ExokernelABI
import ExokernelCore

/// Which instruction enters the kernel: SYSCALL where it changes the privilege level, `int $4` elsewhere.
enum KernelGate {
  /// SYSCALL's code segment in ring 0, and 32-bit code's for SYSRET, which nobody executes.
  private static var segments: UInt64 { Selector.userCode32 << 48 | Selector.kernelCode << 32 }
  /// FMASK: trap, interrupt, direction, nested task, I/O privilege, alignment check.
  private static var mask: UInt64 { 0x47700 }

  static func choose() -> UInt32 {
    ring0_write_msr(ModelSpecificRegister.syscallSegments, segments)
    ring0_write_msr(ModelSpecificRegister.syscallFlagMask, mask)
    ring0_write_msr(ModelSpecificRegister.syscallEntry, UInt64(ring0_probe_syscall_arrived_address()))
    let kind = ring0_probe(ImageLayout.syscallProbe)
    Processor.enableVectors()
    let hasVectors = ring0_probe(ImageLayout.vectorProbe) != 0
    open()
    if kind == 0 || hasVectors {
      let table = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_exposed_table_address()).unsafelyUnwrapped
      // Safe: the first entry of the exposed table is the gate page's. The gate pages lie in a row, in the order of
      // gates.S.
      let number: UInt64 = (kind == 0 ? 2 : 0) &+ (hasVectors ? 1 : 0)
      let page = RingZeroHardware().physical(ring0_gate_interrupt_address()) &+ number &* AddressMap.pageSize
      unsafe table.pointee = page | PageEntry.present | PageEntry.user
      ring0_invalidate_page(AddressMap.gatePage)
    }
    return kind
  }
}

extension KernelGate {
  /// Calls take no lock from now on: there is one processor, and no other was ever asked to start. Where SYSCALL does
  /// not change the privilege level, it stays where its page fault is known.
  static func openWithoutLock() {
    ring0_stop_locking()
    guard kernel.header.value.entryKind == 0 else { return }
    ring0_write_msr(ModelSpecificRegister.syscallEntry, UInt64(ring0_entry_syscall_alone_address()))
  }

  /// Points SYSCALL to this processor's entries.
  static func open() {
    let offset = UInt64(kernel.processor.value.index) &* 64
    ring0_write_msr(ModelSpecificRegister.syscallSegments, segments)
    ring0_write_msr(ModelSpecificRegister.syscallFlagMask, mask)
    ring0_write_msr(ModelSpecificRegister.syscallEntry, UInt64(ring0_entry_syscall_address()) &+ offset)
    // Where 32-bit code's SYSCALL arrives, on processors that have it: it must not be address 0, which an environment
    // may map.
    ring0_write_msr(ModelSpecificRegister.syscallEntry32, UInt64(ring0_entry_syscall_32_address()) &+ offset)
  }
}
