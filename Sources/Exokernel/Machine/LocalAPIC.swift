import CMachine
import ExokernelABI
import ExokernelCore

/// The local APIC in x2APIC mode, and the one I/O APIC (Intel SDM volume 3, chapter 11; 82093AA data sheet).
enum LocalAPIC {
  /// Vector of the timer.
  static var timerVector: UInt64 { 0xe0 }
  /// Vector of interrupt line 0; line n has this plus n.
  static var deviceVector: UInt64 { 0x30 }
  private static var deadline: UInt32 { 0x6e0 }

  /// True where the timer compares with the time-stamp counter; elsewhere it counts down nanoseconds, as KVM's does at divisor 1.
  nonisolated(unsafe) private static var hasDeadline = false

  /// Time-stamp before which the timer does not fire; what comes earlier was on its way when it was set anew. A sixteenth less than the
  /// interval, for the timer need not count exactly as the time-stamp counter does.
  nonisolated(unsafe) private static var due: UInt64 = 0

  /// True where the timer's interrupt is the one that was set last. Without this, who gives the processor up just before the end of its
  /// slice would end the next one's, too.
  static var isDue: Bool { unsafe machine_time_stamp() >= due }

  /// Switches to x2APIC mode, with the timer in TSC-deadline mode where CPUID offers that.
  static func open() {
    let base = machine_read_msr(0x1b)
    machine_write_msr(0x1b, base | 0xc00)
    machine_write_msr(0x80f, 0x1ff)
    // LINT0 brings the interrupts of the two 8259s, which nobody has programmed: every device's line comes through the I/O APIC instead.
    machine_write_msr(0x835, 0x1_0000)
    // Safe: written here only, before interrupts come.
    unsafe hasDeadline = Processor.features & 1 &<< 24 != 0
    machine_write_msr(0x83e, 0xb)
    machine_write_msr(0x832, unsafe hasDeadline ? 0x4_0000 | timerVector : timerVector)
  }

  /// One interrupt after `delta` time-stamp units; 0 for none.
  @inline(__always) static func arm(after delta: UInt64) {
    // Safe: there is one processor, and interrupts are off in the kernel.
    let end = machine_time_stamp() &+ delta
    unsafe due = end &- delta &>> 4
    if unsafe hasDeadline { return machine_write_msr(deadline, delta == 0 ? 0 : end) }
    let header = kernel.header.value
    let (high, low) = delta.multipliedFullWidth(by: header.timeMultiplier)
    let shift = UInt64(header.timeShift)
    let nanoseconds = shift == 0 ? low : high &<< (64 &- shift) | low &>> shift
    machine_write_msr(
      0x838, delta == 0 ? 0 : nanoseconds == 0 ? 1 : nanoseconds < 0xffff_ffff ? nanoseconds : 0xffff_ffff)
  }

  /// The interrupt in service is served.
  @inline(__always) static func acknowledge() { machine_write_msr(0x80b, 0) }

  /// Sends interrupt line `line` to this CPU, edge-triggered.
  static func route(_ line: UInt32) {
    let machine = RingZero()
    let select: UInt64 = 0xfec0_0000
    let window: UInt64 = 0xfec0_0010
    machine.deviceStore(select, 0x11 &+ line &* 2)
    machine.deviceStore(window, 0)
    machine.deviceStore(select, 0x10 &+ line &* 2)
    machine.deviceStore(window, UInt32(truncatingIfNeeded: deviceVector) &+ line)
  }
}
