import DownloadedCode
import ExokernelABI
import VirtioLayout

/// The way of a received packet: from the device's ring through the filters into the ring of whoever bound the first
/// one that wants it.
extension Kernel {
  // Safe: the private layout gives the scratch a range of its own.
  /// Memory of the filter that runs: one runs at a time.
  @inline(__always) private var filterScratch: Cell<FilterScratch> {
    unsafe Cell(hardware.privateBase + PrivateLayout.filterScratch)
  }

  /// Takes over what the device has received, at most `limit` packets; true where more are waiting.
  public func receive(_ driver: UInt32, limit: UInt32) -> Bool {
    let rings = interfaceDrivers[driver].rings
    var seen = interfaceDrivers[driver].receiveSeen
    var published = interfaceDrivers[driver].receivePublished
    let used: UInt16 = get(rings &+ InterfaceDriver.receiveUsed &+ 2)
    hardware.orderStores()
    // A device cannot have used more buffers than there are: if it says so, its index is not believed.
    let waiting = UInt32(used &- seen)
    guard waiting != 0, waiting <= InterfaceDriver.receiveQueueSize else { return false }
    let count = waiting < limit ? waiting : limit
    for _ in 0..<count {
      let element = rings &+ InterfaceDriver.receiveUsed &+ 4 &+ UInt64(seen & 63) &* 8
      let buffer: UInt32 = get(element) & 63
      let length: UInt32 = get(element &+ 4)
      let address: UInt64 = get(rings &+ UInt64(buffer) &* 16)
      deliver(buffer: address, length: length)
      put(
        rings &+ InterfaceDriver.receiveAvailable &+ 4 &+ UInt64(published & 63) &* 2,
        UInt16(truncatingIfNeeded: buffer))
      seen &+= 1
      published &+= 1
    }
    hardware.orderStores()
    put(rings &+ InterfaceDriver.receiveAvailable &+ 2, published)
    interfaceDrivers[driver].receiveSeen = seen
    interfaceDrivers[driver].receivePublished = published
    hardware.orderAll()
    let ringFlags: UInt16 = get(rings &+ InterfaceDriver.receiveUsed)
    if ringFlags & 1 == 0 {
      hardware.deviceStore(interfaceDrivers[driver].device &+ VirtioMMIO.Register.queueNotify, 0)
    }
    let usedNow: UInt16 = get(rings &+ InterfaceDriver.receiveUsed &+ 2)
    return usedNow != seen
  }

  /// Runs the filters over one received buffer and copies the packet into the first ring that wants it.
  @inline(__always) private func deliver(buffer: UInt64, length: UInt32) {
    let headerSize = UInt32(VirtioNetwork.Header.byteCount)
    guard length > headerSize, length <= PacketRing.slotSize else { return }
    let packet = buffer &+ UInt64(headerSize)
    let size = length &- headerSize
    for index in 0..<header.value.filterCount {
      let ownerPlusOne = filters[index].ownerPlusOne
      guard ownerPlusOne != 0 else { continue }
      // Safe: the packet is inside a receive buffer of `slotSize` bytes, as checked above.
      let verdict = unsafe ringBindings[index].filter.run(
        packet: UnsafeRawPointer(hardware.memory(at: packet)), length: Int(size), scratch: &filterScratch.value)
      guard verdict != 0 else { continue }
      let control = ringBindings[index].control
      let producer = ringBindings[index].producer
      let consumer: UInt32 = get(control &+ 4)
      let mask = ringBindings[index].mask
      guard producer &- consumer <= mask else {
        header.value.counters.packetsDropped &+= 1
        return
      }
      let slot = producer & mask
      let frame = ringFrames[index &* RingBinding.maximumFrames &+ slot &>> 1]
      hardware.copy(
        from: packet, to: UInt64(frame) &<< 12 &+ UInt64(slot & 1) &* UInt64(PacketRing.slotSize), count: size)
      let flags: UInt8 = get(buffer)
      // Bit 0, "needs checksum", is told as 2; bit 1 alone, "checksum is valid", as 1: two bits for each of the four
      // cases.
      let checksum: UInt64 = 0b10_01_10_00 &>> (UInt64(flags & 3) &* 2) & 3
      put(control &+ PacketRing.slotsOffset &+ UInt64(slot) &* 8, checksum &<< 32 | UInt64(size))
      hardware.orderStores()
      put(control, producer &+ 1)
      ringBindings[index].producer = producer &+ 1
      filters[index].packets &+= 1
      countEvent(of: ownerPlusOne &- 1)
      header.value.counters.packetsReceived &+= 1
      return
    }
    header.value.counters.packetsUnwanted &+= 1
  }
}
