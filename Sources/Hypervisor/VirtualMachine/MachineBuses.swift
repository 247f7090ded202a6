/// What a machine's vCPUs reach by addresses and ports. Complete before the first of them runs.
struct MachineBuses: Sendable {
  var memory = AddressBus()
  var ports = AddressBus()
  /// The console's serial port, which takes the bytes of a string instruction at once.
  var serial: SerialPort?

  /// Serves a port exit: `data` holds items of `byteCount` bytes, which are stored or filled in one after another.
  func servePort(_ port: UInt16, isWrite: Bool, byteCount: Int, data: UnsafeMutableRawBufferPointer) {
    guard byteCount == 1 || byteCount == 2 || byteCount == 4 else { return }
    let address = UInt64(port)
    if isWrite, byteCount == 1, data.count > 1, address == SerialPort.firstPort, let serial {
      // Safe: KVM has filled in the data and does not touch it until the vCPU enters the guest.
      unsafe serial.transmit(Span(_unsafeElements: UnsafeBufferPointer(data.bindMemory(to: UInt8.self))))
      return
    }
    for offset in stride(from: 0, to: data.count - byteCount + 1, by: byteCount) {
      // Safe: `byteCount` bytes from `offset` on lie inside the data.
      if isWrite {
        var value: UInt64 = 0
        for index in 0..<byteCount { value |= unsafe UInt64(data[offset + index]) << UInt64(8 * index) }
        ports.write(at: address, byteCount: byteCount, value: value)
      } else {
        let value = ports.read(at: address, byteCount: byteCount)
        for index in 0..<byteCount {
          unsafe data[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
      }
    }
  }
}
