import CRingZero
import ExokernelABI
import ExokernelCore

/// Steps of the boot that the machine may not be fit for. Each ends the machine with a line that says what is wrong and
/// what to do, or returns what the boot goes on with.
enum BootChecks {
  /// Memory that is left for programs, in bytes, at the least.
  private static var leastMemory: UInt64 { 4 << 20 }

  /// What the loader tells of the machine.
  static func startInfo(at address: UInt64) -> BootInformation {
    guard let boot = StartInfo.read(at: address) else {
      Panic.end("this is not a PVH boot with memory map: start_info at ", address)
    }
    guard boot.commandLine.upperBound &- boot.commandLine.lowerBound < CommandLine.limit else {
      Panic.end("the command line is too long, shorten it; bytes: at least ", count: CommandLine.limit)
    }
    guard boot.firstFree &+ leastMemory <= boot.endOfFree else {
      Panic.end("too little memory, give the machine more; MiB: ", count: boot.memorySize &>> 20)
    }
    return boot
  }

  /// How fast time-stamps run.
  static func clock() -> (multiplier: UInt64, shift: UInt32) {
    guard let clock = ParavirtualClock.read() else {
      Panic.end("no KVM clock: this kernel runs on KVM; CPUID.1:ECX ", 0)
    }
    return clock
  }
}

extension Milestone {
  /// Tells the monitor that the kernel can run environments, and whether there is one.
  static func tellBooted() {
    ring0_out8(MachinePort.milestone, kernelReady.rawValue)
    if kernel.header.value.liveEnvironments != 0 { ring0_out8(MachinePort.milestone, firstEnvironment.rawValue) }
  }
}
