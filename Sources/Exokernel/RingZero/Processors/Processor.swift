import CRingZero
import ExokernelABI
import ExokernelCore

/// What the processor says of itself.
enum Processor {
  /// Registers eax, ebx, ecx, edx of a CPUID leaf.
  static func identification(_ leaf: UInt32) -> InlineArray<4, UInt32> {
    var registers = [0, 0, 0, 0] as InlineArray<4, UInt32>
    // Safe: the array is four words.
    unsafe withUnsafeMutablePointer(to: &registers) {
      unsafe ring0_cpuid(leaf, UnsafeMutableRawPointer($0).assumingMemoryBound(to: UInt32.self))
    }
    return registers
  }

  /// Bits of `features`: the timer compares time-stamps; XSAVE and its registers.
  static var deadlineTimer: UInt32 { 1 << 24 }
  private static var xsave: UInt32 { 1 << 26 }

  /// Feature bits of leaf 1, ecx.
  static var features: UInt32 { identification(1)[2] }

  /// Lets ring 3 use AVX and AVX-512, where there are any: programs save these registers themselves, and the gate page
  /// empties them.
  static func enableVectors() {
    guard features & xsave != 0 else { return }
    ring0_enable_vectors(identification(13)[0] & 0xe7)
  }
}

/// KVM's clock (Linux, Documentation/virt/kvm/x86/msr.rst): how fast the time-stamp counter runs.
enum ParavirtualClock {
  static func read() -> (multiplier: UInt64, shift: UInt32)? {
    var registers = Processor.identification(0x4000_0000)
    guard registers[1] == 0x4b4d_564b, registers[2] == 0x564b_4d56 else { return nil }  // "KVMKVMKVM"
    registers = Processor.identification(0x4000_0001)
    guard registers[0] & 8 != 0 else { return nil }
    // The structure is 32 bytes, 4-aligned, and is switched off after one reading.
    let place = RingZeroHardware().physical(ring0_private_state_address()) &+ UInt64(PrivateLayout.clock)
    ring0_write_msr(ModelSpecificRegister.kvmSystemTime, place | 1)
    let memory = unsafe RingZeroHardware().memory(at: place)
    // Safe: the structure was just filled in by the host, inside the private state.
    let multiplier = unsafe memory.load(fromByteOffset: 24, as: UInt32.self)
    let shift = unsafe memory.load(fromByteOffset: 28, as: Int8.self)
    ring0_write_msr(ModelSpecificRegister.kvmSystemTime, 0)
    guard multiplier != 0, shift > -32, shift < 32 else { return nil }
    return (UInt64(multiplier), UInt32(truncatingIfNeeded: 32 &- Int(shift)))
  }
}
