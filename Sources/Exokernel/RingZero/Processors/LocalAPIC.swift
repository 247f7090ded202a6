import CRingZero
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
  nonisolated(unsafe) private static var comparesTimeStamps = false
  // Safe: written at boot only.
  static var hasDeadline: Bool { unsafe comparesTimeStamps }

  /// Vector of interrupts from other processors.
  static var processorVector: UInt64 { 0xe1 }

  /// True where the timer's interrupt is the one that was set last. Without this, who gives the processor up just before the end of its
  /// slice would end the next one's, too. What comes earlier than this processor's `timer` was on its way when the timer was set anew.
  @inline(__always) static func isDue(_ now: UInt64) -> Bool { now >= kernel.processor.value.timer }

  /// Sends an interrupt to another processor: `command` as in the low half of the interrupt command register.
  static func send(_ command: UInt32, to processor: UInt32) {
    ring0_write_msr(0x830, UInt64(processor) &<< 32 | UInt64(command))
  }

  /// Switches to x2APIC mode, with the timer in TSC-deadline mode where CPUID offers that.
  static func open() {
    let base = ring0_read_msr(0x1b)
    ring0_write_msr(0x1b, base | 0xc00)
    ring0_write_msr(0x80f, 0x1ff)
    // LINT0 brings the interrupts of the two 8259s, which nobody has programmed: every device's line comes through the I/O APIC instead.
    ring0_write_msr(0x835, 0x1_0000)
    // Safe: written here only, before interrupts come.
    unsafe comparesTimeStamps = Processor.features & 1 &<< 24 != 0
    ring0_write_msr(0x83e, 0xb)
    ring0_write_msr(0x832, hasDeadline ? 0x4_0000 | timerVector : timerVector)
  }

  /// One interrupt at time-stamp `end`; 0 for none.
  @inline(__always) static func arm(at end: UInt64) {
    if hasDeadline { return armDeadline(at: end) }
    count(to: end)
  }

  /// The same for a timer that compares time-stamps.
  @inline(__always) static func armDeadline(at end: UInt64) {
    kernel.processor.value.timer = end
    ring0_write_msr(deadline, end)
  }

  /// The same for a timer that counts nanoseconds, not exactly as the time-stamp counter does: it may be a sixteenth early.
  @inline(never) private static func count(to end: UInt64) {
    let now = ring0_time_stamp()
    let delta = end > now ? end &- now : 1
    kernel.processor.value.timer = end &- delta &>> 4
    let header = kernel.header.value
    let (high, low) = delta.multipliedFullWidth(by: header.timeMultiplier)
    let shift = UInt64(header.timeShift)
    let nanoseconds = shift == 0 ? low : high &<< (64 &- shift) | low &>> shift
    ring0_write_msr(
      0x838, end == 0 ? 0 : nanoseconds == 0 ? 1 : nanoseconds < 0xffff_ffff ? nanoseconds : 0xffff_ffff)
  }

  /// The interrupt in service is served.
  @inline(__always) static func acknowledge() { ring0_write_msr(0x80b, 0) }

  /// Sends the interrupts of all disks and networks to this processor.
  static func routeDevices() {
    for index in 0..<kernel.header.value.diskCount { route(kernel.diskDrivers[index].interrupt) }
    for index in 0..<kernel.header.value.interfaceCount { route(kernel.interfaceDrivers[index].interrupt) }
  }

  /// Sends interrupt line `line` to this CPU, edge-triggered.
  private static func route(_ line: UInt32) {
    let hardware = RingZeroHardware()
    let select: UInt64 = 0xfec0_0000
    let window: UInt64 = 0xfec0_0010
    hardware.deviceStore(select, 0x11 &+ line &* 2)
    hardware.deviceStore(window, 0)
    hardware.deviceStore(select, 0x10 &+ line &* 2)
    hardware.deviceStore(window, UInt32(truncatingIfNeeded: deviceVector) &+ line)
  }
}
