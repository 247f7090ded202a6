import ExokernelABI

/// The boot command line: `virtio_mmio.device=SIZE@ADDRESS:IRQ` (as Linux knows it), `app=NAME[:ARGUMENTS]`,
/// `slice=MICROSECONDS`; other words are ignored.
public struct CommandLine {
  /// Every command line is shorter, in bytes; xokvm's are.
  public static var limit: UInt64 { 8192 }

  /// A word the kernel knows.
  public enum Word {
    /// A virtio-mmio device.
    case device(address: UInt64, interrupt: UInt32)
    /// A program to start: its name and arguments as offsets into the command line.
    case program(name: Range<UInt64>, arguments: Range<UInt64>)
    /// Length of a slice.
    case slice(microseconds: UInt64)
  }

  /// Which of the words are wanted, which stand in any order.
  public enum Part: Sendable {
    /// Devices and the length of slices.
    case machine
    /// Programs.
    case programs
    /// All of them.
    case all
  }

  let bytes: PhysicalBytes
  let part: Part
  private var position: UInt64 = 0

  init(_ bytes: PhysicalBytes, _ part: Part = .all) {
    self.bytes = bytes
    self.part = part
  }

  /// The next word of the part that is wanted.
  public mutating func next() -> Word? {
    while position < bytes.count {
      while bytes[position] == 0x20 { position &+= 1 }
      let start = position
      if bytes[start] == 0x76, part != .programs, bytes.matches("virtio_mmio.device=", at: start) {
        position = start &+ 19
        if let word = device() {
          skipWord()
          return word
        }
      } else if bytes[start] == 0x61, part != .machine, bytes.matches("app=", at: start) {
        return program(at: start &+ 4)
      } else if bytes[start] == 0x73, part != .programs, bytes.matches("slice=", at: start) {
        position = start &+ 6
        if let value = number() {
          skipWord()
          return .slice(microseconds: value)
        }
      }
      skipWord()
    }
    return nil
  }

  /// Goes to the next space, or to the end: eight bytes at a time while none of them is one.
  private mutating func skipWord() {
    while position &+ 8 <= bytes.count {
      let difference = bytes.load(UInt64.self, at: position) ^ 0x2020_2020_2020_2020
      // Bytes that are zero get their highest bit here, and perhaps some above the first of them.
      let spaces = (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
      guard spaces == 0 else {
        position &+= UInt64(truncatingIfNeeded: spaces.trailingZeroBitCount) &>> 3
        return
      }
      position &+= 8
    }
    while position < bytes.count, bytes[position] != 0x20 { position &+= 1 }
  }

  private mutating func device() -> Word? {
    guard number() != nil, take(0x40), let address = number(), take(0x3a), let interrupt = number(),
      address <= AddressMap.directMapSize &- 0x200, address & 3 == 0, interrupt < 24
    else { return nil }
    return .device(address: address, interrupt: UInt32(truncatingIfNeeded: interrupt))
  }

  private mutating func program(at start: UInt64) -> Word {
    var end = start
    while end < bytes.count, bytes[end] != 0x20, bytes[end] != 0x3a { end &+= 1 }
    var last = end
    while last < bytes.count, bytes[last] != 0x20 { last &+= 1 }
    position = last
    return .program(name: start..<end, arguments: (end < last ? end &+ 1 : last)..<last)
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard bytes[position] == byte else { return false }
    position &+= 1
    return true
  }

  /// A number, decimal or with 0x, with an optional K or M.
  private mutating func number() -> UInt64? {
    var value: UInt64 = 0
    var digits = 0
    var base: UInt64 = 10
    if bytes[position] == 0x30, bytes[position &+ 1] == 0x78 {
      base = 16
      position &+= 2
    }
    while digits < 17 {
      let byte = bytes[position]
      let digit: UInt64
      switch byte {
      case 0x30...0x39: digit = UInt64(byte) &- 0x30
      case 0x61...0x66 where base == 16: digit = UInt64(byte) &- 0x57
      case 0x41...0x46 where base == 16: digit = UInt64(byte) &- 0x37
      case 0x4b where digits > 0, 0x6b where digits > 0:
        position &+= 1
        return value &<< 10
      case 0x4d where digits > 0, 0x6d where digits > 0:
        position &+= 1
        return value &<< 20
      default: return digits > 0 ? value : nil
      }
      value = value &* base &+ digit
      position &+= 1
      digits &+= 1
    }
    return nil
  }
}
