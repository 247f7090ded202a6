import CRingZero
import ExokernelABI
import ExokernelCore

/// Where the console's lines go: our virtual machine's text port, which takes a line at a time, or the 16550 at 0x3f8,
/// by polling.
enum ConsolePort {
  private static var serial: UInt16 { 0x3f8 }
  /// Bytes the 16550's transmit FIFO takes at a time.
  private static var fifo: UInt32 { 16 }
  /// True where the text port answers.
  nonisolated(unsafe) private static var hasTextPort = false

  /// 1 where the text port says that it leads to no terminal.
  nonisolated(unsafe) private static var kind: UInt32 = 0

  /// Looks for the text port; where there is none, the 16550 is made ready: FIFO on, interrupts off, 8N1.
  static func open() {
    // A port that nobody serves reads as ones.
    let answer = ring0_in32(MachinePort.text)
    // Safe: written here only, before anything is printed.
    unsafe hasTextPort = answer <= 1
    unsafe kind = answer == 1 ? 1 : 0
    if unsafe hasTextPort { return }
    ring0_out8(serial &+ 1, 0)
    ring0_out8(serial &+ 3, 3)
    ring0_out8(serial &+ 2, 7)
  }

  /// Tells programs in the books whether the console is a terminal, as far as that is known.
  static func tellKind() {
    // Safe: `open` has written it, and nobody does later.
    unsafe kernel.header.value.consoleKind = kind
  }

  /// Writes the `count` bytes behind `record`, whose first four bytes are free for the count.
  static func write(_ record: UnsafeMutableRawPointer, count: UInt32) {
    guard unsafe hasTextPort else { return unsafe writeSerial(record + 4, count: count) }
    // Safe: the four bytes are the record's. It is a part of the image, whose physical address fits 32 bits.
    unsafe record.storeBytes(of: count, as: UInt32.self)
    let address = RingZeroHardware().physical(UInt(bitPattern: record))
    ring0_out32(MachinePort.text, UInt32(truncatingIfNeeded: address))
  }

  /// Writes a FIFO at a time.
  private static func writeSerial(_ bytes: UnsafeRawPointer, count: UInt32) {
    var done: UInt32 = 0
    while done < count {
      var patience: UInt32 = 100_000
      while ring0_in8(serial &+ 5) & 0x20 == 0, patience > 0 { patience &-= 1 }
      let rest = count &- done
      let chunk = rest < fifo ? rest : fifo
      // Safe: `done + chunk` is at most `count`, which the caller vouches for.
      unsafe ring0_out8_string(serial, bytes + Int(done), Int(chunk))
      done &+= chunk
    }
  }
}
