import ExokernelABI
import VirtioLayout

extension Kernel {
  /// Packets taken over in one interrupt, so that its length has a bound.
  static var packetsPerInterrupt: UInt32 { 16 }

  /// Interrupt line `line` was raised: serves every device on it.
  public func deviceInterrupt(_ line: UInt64) {
    header.value.counters.interrupts &+= 1
    for index in 0..<header.value.interfaceCount where UInt64(interfaceDrivers[index].interrupt) == line {
      acknowledge(interfaceDrivers[index].device)
      if receive(index, limit: Self.packetsPerInterrupt) { noteMore(index) }
    }
    for index in 0..<header.value.diskCount where UInt64(diskDrivers[index].interrupt) == line {
      acknowledge(diskDrivers[index].device)
      diskInterrupt(index)
    }
  }

  /// Packets that an interrupt left for later, called between slices and before the CPU sleeps; true where some are left still.
  public func receiveRest() -> Bool {
    let waiting = own.value.moreReceived
    guard waiting != 0 else { return false }
    own.value.moreReceived = 0
    for index in 0..<header.value.interfaceCount where waiting & (1 &<< index) != 0 {
      if receive(index, limit: Self.packetsPerInterrupt) { noteMore(index) }
    }
    return own.value.moreReceived != 0
  }

  private func noteMore(_ interface: UInt32) {
    own.value.moreReceived |= 1 &<< interface
    own.value.attention = 1
  }

  /// Both causes at once: reading which one it was would cost an exit and change nothing.
  private func acknowledge(_ device: UInt64) {
    machine.deviceStore(device &+ VirtioMMIO.Register.interruptAcknowledge, 3)
  }
}
