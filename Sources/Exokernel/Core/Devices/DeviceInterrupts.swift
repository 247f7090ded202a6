import ExokernelABI
import VirtioLayout

extension Kernel {
  /// Packets taken over in one interrupt, so that its length has a bound.
  static var packetsPerInterrupt: UInt32 { 16 }

  // Safe: the private layout gives the table its own range.
  /// By interrupt line, what is on it: 0 nothing, `Self.diskLine` and up a disk, 1 and up an interface,
  /// `Self.sharedLine` several devices, or an interface of which somebody waits for room.
  @inline(__always) private var lines: Table<UInt8> {
    unsafe Table(hardware.privateBase + PrivateLayout.lines, count: 64)
  }
  private static var diskLine: UInt8 { 0x80 }
  private static var sharedLine: UInt8 { 0xff }

  /// Records that disk or interface `index` is on interrupt line `line`.
  func recordLine(_ line: UInt32, disk: UInt32? = nil, interface: UInt32? = nil) {
    let number = UInt8(truncatingIfNeeded: disk ?? interface ?? 0)
    let device = disk != nil ? Self.diskLine &+ number : number &+ 1
    let index = line & 63
    lines[index] = lines[index] == 0 ? device : Self.sharedLine
  }

  /// Interrupt line `line` was raised: serves every device on it.
  @inline(__always) public func deviceInterrupt(_ line: UInt64) {
    header.value.counters.interrupts &+= 1
    let device = lines[UInt32(truncatingIfNeeded: line & 63)]
    if device == 1 { return interfaceInterrupt(0) }
    if device == Self.diskLine { return diskInterrupt(0) }
    serveOthers(line, device)
  }

  /// Devices besides the first of their kinds.
  @inline(never) private func serveOthers(_ line: UInt64, _ device: UInt8) {
    guard device != 0 else { return }
    if device == Self.sharedLine { return serveShared(line) }
    let number = UInt32(device & 0x7f)
    if device >= Self.diskLine { diskInterrupt(number) } else { interfaceInterrupt(number &- 1) }
  }

  /// Every device on a line that several share, or on which somebody waits for an interface to send.
  private func serveShared(_ line: UInt64) {
    for index in 0..<header.value.interfaceCount where UInt64(interfaceDrivers[index].interrupt) == line {
      interfaceInterrupt(index)
      tellOfDescriptors(index)
    }
    for index in 0..<header.value.diskCount where UInt64(diskDrivers[index].interrupt) == line {
      diskInterrupt(index)
    }
    recordLine(again: UInt32(truncatingIfNeeded: line))
  }

  /// Somebody waits for an interface to send: until it was told, the line's interrupts go the long way, so that the
  /// short one need not look.
  func watchSends(of interface: UInt32) {
    lines[interfaceDrivers[interface].interrupt & 63] = Self.sharedLine
  }

  /// Records what is on a line once more, unless somebody waits.
  private func recordLine(again line: UInt32) {
    for index in 0..<header.value.interfaceCount
    where interfaceDrivers[index].interrupt == line && interfaceDrivers[index].waiting != 0 { return }
    lines[line & 63] = 0
    for index in 0..<header.value.interfaceCount where interfaceDrivers[index].interrupt == line {
      recordLine(line, interface: index)
    }
    for index in 0..<header.value.diskCount where diskDrivers[index].interrupt == line {
      recordLine(line, disk: index)
    }
  }

  private func interfaceInterrupt(_ index: UInt32) {
    acknowledge(interfaceDrivers[index].device)
    if receive(index, limit: Self.packetsPerInterrupt) { markMoreReceived(index) }
  }

  /// Packets that an interrupt left for later, called between slices and before the CPU sleeps; true where some are
  /// left still.
  public func receiveRest() -> Bool {
    let waiting = kernelPrivate.value.moreReceived
    guard waiting != 0 else { return false }
    kernelPrivate.value.moreReceived = 0
    for index in 0..<header.value.interfaceCount where waiting & (1 &<< index) != 0 {
      if receive(index, limit: Self.packetsPerInterrupt) { markMoreReceived(index) }
    }
    return kernelPrivate.value.moreReceived != 0
  }

  private func markMoreReceived(_ interface: UInt32) {
    kernelPrivate.value.moreReceived |= 1 &<< interface
    kernelPrivate.value.needsChores = 1
  }

  /// Both causes at once: reading which one it was would cost an exit and change nothing.
  @inline(__always) func acknowledge(_ device: UInt64) {
    hardware.deviceStore(device &+ VirtioMMIO.Register.interruptAcknowledge, 3)
  }
}
