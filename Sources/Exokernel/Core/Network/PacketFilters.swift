import DownloadedCode
import ExokernelABI
import VirtioLayout

/// What the kernel keeps of a ring: its own copy of everything but the consumer's index, so that a packet needs no check.
@frozen public struct RingBinding {
  /// Physical address of the control frame.
  public var control: UInt64
  /// Slots minus 1.
  public var mask: UInt32
  /// Packets put in.
  public var producer: UInt32
  /// The verified filter.
  public var filter: FilterProgram

  /// Most data frames of a ring.
  public static let maximumFrames: UInt32 = 32
}

/// Packet filters: verified and bound once, run on every packet, first match wins.
extension Kernel {
  // Safe: the private layout gives each table its own range.
  @inline(__always) var ringBindings: Table<RingBinding> {
    unsafe Table(machine.privateBase + PrivateLayout.ringBindings, count: UInt32(BooksLayout.filters))
  }
  @inline(__always) var ringFrames: Table<UInt32> {
    unsafe Table(
      machine.privateBase + PrivateLayout.ringFrames, count: UInt32(BooksLayout.filters) &* RingBinding.maximumFrames)
  }
  /// Memory of the filter that runs: one runs at a time.
  @inline(__always) private var filterScratch: Cell<FilterScratch> {
    unsafe Cell(machine.privateBase + PrivateLayout.filterScratch)
  }

  /// `CallNumber.filterBind`.
  public func filterBind(slot: UInt64, code: UInt64, count: UInt64, ring: UInt64, slots: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard
      capability.allows(
        .read | .allocate, guardName: CapabilityName.guardName(CapabilityName.network, 0))
    else { return refuse(.notPermitted) }
    guard slots >= 2, slots <= UInt64(PacketRing.maximumSlots), slots & (slots &- 1) == 0, count >= 1,
      count <= UInt64(FilterProgram.capacity)
    else { return refuse(.badArgument) }
    guard let codeFrame = ownMemory(code), let control = ownMemory(ring) else { return refuse(.notPermitted) }
    guard hasRoom(current, .filters), let index = freeFilter() else { return refuse(.exhausted) }
    // The frame numbers are copied before they are checked, so nothing can change in between.
    let base = index &* RingBinding.maximumFrames
    let frameCount = UInt32(truncatingIfNeeded: slots &>> 1)
    for position in 0..<frameCount {
      let number: UInt32 = get(UInt64(control) &<< 12 &+ PacketRing.framesOffset &+ UInt64(position) &* 4)
      guard ownMemory(UInt64(number)) != nil else { return refuse(.notPermitted) }
      ringFrames[base &+ position] = number
    }
    guard let program = verify(code: codeFrame, count: Int(truncatingIfNeeded: count), into: index) else {
      return refuse(.badProgram)
    }

    frames[control].pins &+= 1
    for position in 0..<frameCount {
      frames[ringFrames[base &+ position]].pins &+= 1
    }
    ringBindings[index] = RingBinding(
      control: UInt64(control) &<< 12, mask: UInt32(truncatingIfNeeded: slots &- 1), producer: 0, filter: program)
    put(UInt64(control) &<< 12, UInt64(0))
    let generation = filters[index].generation &+ 1
    filters[index] = FilterRecord(
      ownerPlusOne: current &+ 1, ringFrame: control, packets: 0, guardName: environments[current].guardName,
      generation: generation)
    charge(current, .filters)
    if index >= header.value.filterCount { header.value.filterCount = index &+ 1 }
    return CallResult(Handle.of(index, generation: generation))
  }

  /// `CallNumber.filterUnbind`.
  public func filterUnbind(slot: UInt64, filter handle: UInt64) -> CallResult {
    let index = Handle.index(handle)
    guard index < UInt32(BooksLayout.filters), filters[index].ownerPlusOne != 0,
      UInt64(filters[index].generation) == Handle.generation(handle)
    else { return refuse(.noSuchResource) }
    if let error = refusal(
      slot, .allocate, guardName: filters[index].guardName)
    {
      return refuse(error)
    }
    unbindFilter(index)
    return .success
  }

  func unbindFilter(_ index: UInt32) {
    let base = index &* RingBinding.maximumFrames
    frames[filters[index].ringFrame].pins &-= 1
    for position in 0..<(ringBindings[index].mask &+ 1) / 2 { frames[ringFrames[base &+ position]].pins &-= 1 }
    discharge(filters[index].ownerPlusOne &- 1, .filters)
    filters[index].ownerPlusOne = 0
    // Packets go past every record below this count, so it does not stay at its highest.
    while header.value.filterCount > 0, filters[header.value.filterCount &- 1].ownerPlusOne == 0 {
      header.value.filterCount &-= 1
    }
  }

  /// Takes over what the device has received, at most `limit` packets; true where more are waiting.
  public func receive(_ driver: UInt32, limit: UInt32) -> Bool {
    let rings = interfaceDrivers[driver].rings
    var seen = interfaceDrivers[driver].receiveSeen
    var published = interfaceDrivers[driver].receivePublished
    let used: UInt16 = get(rings &+ InterfaceDriver.receiveUsed &+ 2)
    machine.orderStores()
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
    machine.orderStores()
    put(rings &+ InterfaceDriver.receiveAvailable &+ 2, published)
    interfaceDrivers[driver].receiveSeen = seen
    interfaceDrivers[driver].receivePublished = published
    machine.orderAll()
    let ringFlags: UInt16 = get(rings &+ InterfaceDriver.receiveUsed)
    if ringFlags & 1 == 0 {
      machine.deviceStore(interfaceDrivers[driver].device &+ VirtioMMIO.Register.queueNotify, 0)
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
        packet: UnsafeRawPointer(machine.memory(at: packet)), length: Int(size), scratch: &filterScratch.value)
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
      machine.copy(
        from: packet, to: UInt64(frame) &<< 12 &+ UInt64(slot & 1) &* UInt64(PacketRing.slotSize), count: size)
      let flags: UInt8 = get(buffer)
      // Bit 0, "needs checksum", is told as 2; bit 1 alone, "checksum is valid", as 1: two bits for each of the four cases.
      let told: UInt64 = 0b10_01_10_00 &>> (UInt64(flags & 3) &* 2) & 3
      put(control &+ PacketRing.slotsOffset &+ UInt64(slot) &* 8, told &<< 32 | UInt64(size))
      machine.orderStores()
      put(control, producer &+ 1)
      ringBindings[index].producer = producer &+ 1
      filters[index].packets &+= 1
      countEvent(of: ownerPlusOne &- 1)
      header.value.counters.packetsReceived &+= 1
      return
    }
    header.value.counters.packetsUnwanted &+= 1
  }

  /// `frame` where it is memory that the running environment owns.
  private func ownMemory(_ frame: UInt64) -> UInt32? {
    guard frame < UInt64(header.value.frameCount) else { return nil }
    let index = UInt32(truncatingIfNeeded: frame)
    guard frames[index].kind == FrameKind.memory.rawValue, UInt32(frames[index].owner) == current,
      frames[index].pins < UInt16.max &- 64
    else { return nil }
    return index
  }

  private func freeFilter() -> UInt32? {
    for index in 0..<filters.count
    where filters[index].ownerPlusOne == 0 && filters[index].generation < Handle.generations {
      return index
    }
    return nil
  }

  /// Bytes of the verified filters.
  static var filterProgramsSize: Int {
    Int(BooksLayout.filters) * FilterProgram.capacity * MemoryLayout<DecodedInstruction>.stride
  }

  private func verify(code frame: UInt32, count: Int, into index: UInt32) -> FilterProgram? {
    let words = unsafe machine.memory(at: UInt64(frame) &<< 12).assumingMemoryBound(to: UInt64.self)
    let stride = FilterProgram.capacity * MemoryLayout<DecodedInstruction>.stride
    let storage = unsafe (machine.privateBase + PrivateLayout.filterPrograms + Int(index) * stride)
      .bindMemory(to: DecodedInstruction.self, capacity: FilterProgram.capacity)
    // Safe: `count` is at most the capacity, 64 words of the frame's 512; the storage is this filter's alone while it is bound.
    let code = unsafe Span(_unsafeStart: UnsafePointer(words), count: count)
    let target = unsafe UnsafeMutableBufferPointer(start: storage, count: FilterProgram.capacity)
    do throws(VerifierError) {
      return try unsafe FilterProgram.verify(code, into: target)
    } catch {
      return nil
    }
  }
}
