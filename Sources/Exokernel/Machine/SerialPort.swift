import CMachine

/// The 16550 at 0x3f8, by polling: a machine's first voice and its last.
enum SerialPort {
  private static var base: UInt16 { 0x3f8 }
  /// Bytes the transmit FIFO takes at a time.
  private static var fifo: UInt32 { 16 }

  /// FIFO on, interrupts off, 8N1.
  static func open() {
    machine_out8(base &+ 1, 0)
    machine_out8(base &+ 3, 3)
    machine_out8(base &+ 2, 7)
  }

  /// Writes `count` bytes, a FIFO at a time.
  static func write(_ bytes: UnsafeRawPointer, count: UInt32) {
    var done: UInt32 = 0
    while done < count {
      var patience: UInt32 = 100_000
      while machine_in8(base &+ 5) & 0x20 == 0, patience > 0 { patience &-= 1 }
      let rest = count &- done
      let chunk = rest < fifo ? rest : fifo
      // Safe: `done + chunk` is at most `count`, which the caller vouches for.
      unsafe machine_out8_string(base, bytes + Int(done), Int(chunk))
      done &+= chunk
    }
  }
}
