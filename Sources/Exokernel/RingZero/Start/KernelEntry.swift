import CRingZero
import ExokernelABI
import ExokernelCore

/// The boot, in order, called once by pvh_entry in start.S, which has made: long mode, the link-time tables, a stack. `startInfo` is the
/// physical address that the loader left in ebx.
@c(kernel_main)
public func kernelMain(_ startInfo: UInt64) -> Never {
  ConsolePort.open()
  Processors.prepare(0)
  ring0_acquire()
  LocalAPIC.open()
  guard let boot = StartInfo.read(at: startInfo) else {
    Panic.end("this is not a PVH boot with memory map: start_info at ", startInfo)
  }
  guard boot.commandLine.upperBound &- boot.commandLine.lowerBound < CommandLine.limit else {
    Panic.end("the command line is too long, shorten it; bytes: at least ", CommandLine.limit)
  }
  guard boot.firstFree &+ (4 << 20) <= boot.endOfFree else {
    Panic.end("too little memory, give the machine more; bytes: ", boot.memorySize)
  }
  FrameTable.map(boot)
  guard let clock = ParavirtualClock.read() else {
    Panic.end("no KVM clock: this kernel runs on KVM; CPUID.1:ECX ", 0)
  }
  let entryKind = KernelGate.choose()
  kernel.openBooks(boot, timeMultiplier: clock.multiplier, timeShift: clock.shift, entryKind: entryKind)
  // Safe: `open` has written it, and nobody does later.
  unsafe kernel.header.value.consoleKind = ConsolePort.kind
  ring0_release()
  Processors.startOthers()
  ring0_acquire()
  kernel.startAll(boot)
  for index in 0..<kernel.header.value.diskCount { LocalAPIC.route(kernel.diskDrivers[index].interrupt) }
  for index in 0..<kernel.header.value.interfaceCount { LocalAPIC.route(kernel.interfaceDrivers[index].interrupt) }
  ring0_out8(MachinePort.milestone, Milestone.kernelReady.rawValue)
  if kernel.header.value.liveEnvironments != 0 {
    ring0_out8(MachinePort.milestone, Milestone.firstEnvironment.rawValue)
  }
  Dispatcher.run()
}

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

/// The frame table is seen twice: read-only by environments, writable by the kernel.
enum FrameTable {
  /// Maps the table in both places: one entry for each 2 MiB, that is, for each 256 MiB of memory.
  static func map(_ boot: BootInformation) {
    let exposed = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_frame_table_directory_address())
      .unsafelyUnwrapped
    let own = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_kernel_frame_table_directory_address())
      .unsafelyUnwrapped
    var page = boot.frameTable
    var index = 0
    while page < boot.firstFree, index < 512 {
      // Safe: both directories have 512 entries. Present, large, no execute; user or writable, never both.
      unsafe exposed[index] = page | 0x8000_0000_0000_0085
      unsafe own[index] = page | 0x8000_0000_0000_0083
      page &+= 0x20_0000
      index &+= 1
    }
  }
}
