import CRingZero
import ExokernelABI
import ExokernelCore

/// The local APIC in x2APIC mode, and the one I/O APIC (Intel SDM volume 3, chapter 11; 82093AA data sheet).
enum LocalAPIC {
  /// True where the timer compares with the time-stamp counter; elsewhere it counts down nanoseconds, as KVM's does at
  /// divisor 1.
  nonisolated(unsafe) private static var comparesTimeStamps = false
  // Safe: written at boot only.
  static var hasDeadline: Bool { unsafe comparesTimeStamps }

  /// True where the timer's interrupt is the one that was set last. Without this, who gives the processor up just
  /// before the end of its slice would end the next one's, too. What comes earlier than this processor's `timer` was on
  /// its way when the timer was set anew.
  @inline(__always) static func isDue(_ now: UInt64) -> Bool { now >= kernel.processor.value.timer }

  /// Sends an interrupt to another processor: `command` as in the low half of the interrupt command register.
  static func send(_ command: UInt32, to processor: UInt32) {
    ring0_write_msr(ModelSpecificRegister.interruptCommand, UInt64(processor) &<< 32 | UInt64(command))
  }

  /// Bits of `ModelSpecificRegister.apicBase`: the APIC is on, in x2APIC mode.
  private static var enabled: UInt64 { 0xc00 }
  /// Bit of `ModelSpecificRegister.spuriousVector`: the APIC takes interrupts.
  private static var switchedOn: UInt64 { 0x100 }
  /// Bit of a local vector: it brings no interrupt.
  private static var masked: UInt64 { 0x1_0000 }
  /// Bit of `ModelSpecificRegister.timerVector`: the timer compares time-stamps.
  private static var deadlineMode: UInt64 { 0x4_0000 }
  /// Value of `ModelSpecificRegister.timerDivisor` for division by 1.
  private static var divisor1: UInt64 { 0xb }

  /// Switches to x2APIC mode, with the timer in TSC-deadline mode where CPUID offers that.
  static func open() {
    let base = ring0_read_msr(ModelSpecificRegister.apicBase)
    ring0_write_msr(ModelSpecificRegister.apicBase, base | enabled)
    ring0_write_msr(ModelSpecificRegister.spuriousVector, switchedOn | Vector.spurious)
    // LINT0 brings the interrupts of the two 8259s, which nobody has programmed: every device's line comes through the
    // I/O APIC instead.
    ring0_write_msr(ModelSpecificRegister.localInterrupt0, masked)
    // Safe: written here only, before interrupts come.
    unsafe comparesTimeStamps = Processor.features & Processor.deadlineTimer != 0
    ring0_write_msr(ModelSpecificRegister.timerDivisor, divisor1)
    ring0_write_msr(ModelSpecificRegister.timerVector, hasDeadline ? deadlineMode | Vector.timer : Vector.timer)
  }

  /// One interrupt at time-stamp `end`; 0 for none.
  @inline(__always) static func arm(at end: UInt64) {
    if hasDeadline { return armDeadline(at: end) }
    count(to: end)
  }

  /// The same for a timer that compares time-stamps.
  @inline(__always) static func armDeadline(at end: UInt64) {
    kernel.processor.value.timer = end
    ring0_write_msr(ModelSpecificRegister.timeStampDeadline, end)
  }

  /// The same for a timer that counts nanoseconds, not exactly as the time-stamp counter does: it may be a sixteenth
  /// early.
  @inline(never) private static func count(to end: UInt64) {
    let now = ring0_time_stamp()
    let delta = end > now ? end &- now : 1
    kernel.processor.value.timer = end &- delta &>> 4
    let header = kernel.header.value
    let (high, low) = delta.multipliedFullWidth(by: header.timeMultiplier)
    let shift = UInt64(header.timeShift)
    let nanoseconds = shift == 0 ? low : high &<< (64 &- shift) | low &>> shift
    ring0_write_msr(
      ModelSpecificRegister.timerInitialCount,
      end == 0 ? 0 : nanoseconds == 0 ? 1 : nanoseconds < 0xffff_ffff ? nanoseconds : 0xffff_ffff)
  }

  /// The interrupt in service is served.
  @inline(__always) static func acknowledge() { ring0_write_msr(ModelSpecificRegister.endOfInterrupt, 0) }

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
    hardware.deviceStore(window, UInt32(truncatingIfNeeded: Vector.device) &+ line)
  }
}
