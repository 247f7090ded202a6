import ExokernelABI
import VirtioLayout

/// A packet that is to be sent: descriptors in a row of the list of free ones.
struct PacketChain {
  var driver: UInt32
  /// Physical address of the send block.
  var block: UInt64
  /// How many pieces, each with a descriptor behind that of the header.
  var pieces: UInt32
  /// The header's descriptor, and the first one that stays free.
  var head: UInt16
  var following: UInt16
}

// Sending packets, and taking over what was sent.
extension Kernel {
  // Safe: the private layout gives the table its own range.
  /// Who sent the chain that starts at a descriptor, plus 1; 0 where no chain in the device's hands does.
  @inline(__always) var sendOwners: Table<UInt8> {
    unsafe Table(hardware.privateBase + PrivateLayout.sendOwners, count: UInt32(BooksLayout.interfaces) &* 256)
  }

  /// Checks `CallNumber.packetSend`.
  ///
  /// Two things are written all the same. What the device has sent is taken over, whether the call is accepted or not:
  /// that is no effect of the call but what an interrupt would do, were there one for it, and only then is it known
  /// whether there is room. And the pieces are written into free descriptors: until the head is published, the device
  /// does not look at them, and where the call is refused they stay free, in the same order.
  /// Who is refused for want of room is told by an event when there is some, so that is noted.
  @inline(__always) func decodePacketSend(slot: UInt64, interface: UInt64) throws(CallError) -> PacketChain {
    let capability = try presented(slot)
    guard interface < UInt64(header.value.interfaceCount) else { throw .noSuchResource }
    guard capability.allows(.write, guardName: CapabilityName.guardName(CapabilityName.network, interface)) else {
      throw .notPermitted
    }
    let driver = UInt32(truncatingIfNeeded: interface)
    let block = UInt64(currentRecord.value.environmentPage) &<< 12 &+ EnvironmentPage.sendBlockOffset
    // The page may change under our eyes: an environment that shares the page table writes it on another processor, a
    // device writes it at any time. So each word is read once, and what was checked is what is used.
    let pieces: UInt32 = get(block)
    guard pieces <= SendBlock.maximumPieces else { throw .badArgument }
    reclaimSent(driver)
    let state = interfaceDrivers.cell(at: driver)
    let head = state.value.freeDescriptor
    guard pieces != 0 else { return PacketChain(driver: driver, block: block, pieces: 0, head: head, following: head) }
    let use = use(of: .interface(driver), by: current).value
    if _slowPath(
      UInt32(state.value.freeDescriptors) <= pieces || UInt32(use.inFlight) &+ pieces >= UInt32(use.limit))
    {
      guard findsDescriptors(driver, pieces &+ 1) else { throw .deviceFull }
    }

    let table = state.value.rings &+ InterfaceDriver.sendDescriptors
    var descriptor = head
    var following: UInt16 = get(table &+ UInt64(descriptor) &* 16 &+ 14)
    for index in 0..<UInt64(pieces) {
      let piece: UInt64 = get(block &+ 16 &+ index &* 8)
      let frame = piece & 0xffff_ffff
      let offset = piece &>> 32 & 0xffff
      let length = piece &>> 48
      guard frame < UInt64(header.value.frameCount), length >= 1, offset &+ length <= 4096 else {
        throw .badArgument
      }
      let number = UInt32(truncatingIfNeeded: frame)
      guard frames[number].kind == FrameKind.memory.rawValue, UInt32(frames[number].owner) == current,
        frames[number].pins < UInt16.max &- 32
      else { throw .notPermitted }
      descriptor = following
      let entry = table &+ UInt64(descriptor) &* 16
      following = get(entry &+ 14)
      put(entry, frame &<< 12 &+ offset)
      put(entry &+ 8, UInt32(truncatingIfNeeded: length))
      put(entry &+ 12, index &+ 1 < UInt64(pieces) ? VirtqueueDescriptor.Flag.next : 0)
    }
    return PacketChain(driver: driver, block: block, pieces: pieces, head: head, following: following)
  }

  /// The long way of asking for `count` descriptors of an interface. Who is refused waits to be told.
  @inline(never) private func findsDescriptors(_ driver: UInt32, _ count: UInt32) -> Bool {
    let state = interfaceDrivers.cell(at: driver)
    guard !findsRoom(on: .interface(driver), count, free: UInt32(state.value.freeDescriptors)) else { return true }
    // The device interrupts for what it has sent from now on, where it has not sent something already.
    let flags = state.value.rings &+ InterfaceDriver.sendAvailable
    put(flags, 0 as UInt16)
    hardware.orderAll()
    if hasSent(driver) {
      if state.value.waiting == 0 { put(flags, 1 as UInt16) }
      countEvent(of: current)
    } else {
      state.value.waiting |= 1 &<< UInt64(current)
      watchSends(of: driver)
    }
    return false
  }

  /// True where the device has sent what was not taken over yet.
  private func hasSent(_ driver: UInt32) -> Bool {
    let state = interfaceDrivers.cell(at: driver)
    let published: UInt16 = get(state.value.rings &+ InterfaceDriver.sendUsed &+ 2)
    return published != state.value.sendSeen
  }

  /// The interface has interrupted: tells all who wait for room, where the device has sent something. They take
  /// it over when they send, each at its own expense. Bounded by the table of environments.
  func tellOfDescriptors(_ driver: UInt32) {
    guard interfaceDrivers[driver].waiting == 0 || hasSent(driver) else { return }
    let state = interfaceDrivers.cell(at: driver)
    var rest = state.value.waiting
    state.value.waiting = 0
    put(state.value.rings &+ InterfaceDriver.sendAvailable, 1 as UInt16)
    while rest != 0 {
      countEvent(of: UInt32(truncatingIfNeeded: rest.trailingZeroBitCount))
      rest &= rest &- 1
    }
  }

  /// Publishes the chain; does nothing where it has no pieces.
  @inline(__always) func performPacketSend(_ chain: PacketChain) {
    guard chain.pieces != 0 else { return }
    let (driver, head, block) = (chain.driver, chain.head, chain.block)
    let state = interfaceDrivers.cell(at: driver)
    let rings = state.value.rings
    let table = rings &+ InterfaceDriver.sendDescriptors
    var descriptor: UInt16 = get(table &+ UInt64(head) &* 16 &+ 14)
    for _ in 0..<chain.pieces {
      let entry = table &+ UInt64(descriptor) &* 16
      let address: UInt64 = get(entry)
      frames[UInt32(truncatingIfNeeded: address &>> 12)].pin()
      descriptor = get(entry &+ 14)
    }
    state.value.freeDescriptor = chain.following
    state.value.freeDescriptors &-= UInt16(truncatingIfNeeded: chain.pieces &+ 1)
    use(of: .interface(driver), by: current).value.inFlight &+= UInt16(truncatingIfNeeded: chain.pieces &+ 1)
    let header = rings &+ InterfaceDriver.sendHeaders &+ UInt64(head) &* 16
    let first: UInt64 = get(block &+ 4)
    let rest: UInt32 = get(block &+ 12)
    put(header, first & state.value.headerMask)
    put(header &+ 8, rest & 0xffff)
    let entry = table &+ UInt64(head) &* 16
    put(entry, header)
    put(entry &+ 8, UInt32(VirtioNetwork.Header.byteCount))
    put(entry &+ 12, VirtqueueDescriptor.Flag.next)
    sendOwners[driver &* 256 &+ UInt32(head)] = UInt8(truncatingIfNeeded: current &+ 1)
    let published = state.value.sendPublished
    put(rings &+ InterfaceDriver.sendAvailable &+ 4 &+ UInt64(published & 255) &* 2, head)
    hardware.orderStores()
    put(rings &+ InterfaceDriver.sendAvailable &+ 2, published &+ 1)
    state.value.sendPublished = published &+ 1
    hardware.orderAll()
    let ringFlags: UInt16 = get(rings &+ InterfaceDriver.sendUsed)
    if ringFlags & 1 == 0 {
      hardware.deviceStore(state.value.device &+ VirtioMMIO.Register.queueNotify, 1)
    }
  }

  /// Takes over up to four chains that the device has sent: their frames may be given back.
  func reclaimSent(_ driver: UInt32) {
    let state = interfaceDrivers.cell(at: driver)
    let rings = state.value.rings
    var seen = state.value.sendSeen
    for _ in 0..<4 {
      let published: UInt16 = get(rings &+ InterfaceDriver.sendUsed &+ 2)
      guard published != seen else { break }
      hardware.orderStores()
      let head: UInt32 = get(rings &+ InterfaceDriver.sendUsed &+ 4 &+ UInt64(seen & 255) &* 8)
      seen &+= 1
      freeChain(driver, head)
    }
    state.value.sendSeen = seen
  }

  private func freeChain(_ driver: UInt32, _ first: UInt32) {
    // A device that names a chain that it has not been given, or has given back, is broken; what it says is not
    // believed. The descriptors are the kernel's, so the chain itself is as it was made.
    guard first < InterfaceDriver.sendQueueSize else { return }
    let owner = sendOwners.cell(at: driver &* 256 &+ first)
    let ownerPlusOne = UInt32(owner.value)
    guard ownerPlusOne != 0 else { return }
    owner.value = 0
    let head = UInt16(truncatingIfNeeded: first)
    let state = interfaceDrivers.cell(at: driver)
    let table = state.value.rings &+ InterfaceDriver.sendDescriptors
    let environment = ownerPlusOne &- 1
    var descriptor = head
    var count: UInt16 = 1
    var flags: UInt16 = get(table &+ UInt64(descriptor) &* 16 &+ 12)
    while flags & VirtqueueDescriptor.Flag.next != 0, UInt32(count) <= SendBlock.maximumPieces {
      descriptor = get(table &+ UInt64(descriptor) &* 16 &+ 14)
      let address: UInt64 = get(table &+ UInt64(descriptor) &* 16)
      let frame = UInt32(truncatingIfNeeded: address &>> 12)
      frames[frame].unpin()
      flags = get(table &+ UInt64(descriptor) &* 16 &+ 12)
      count &+= 1
    }
    put(table &+ UInt64(descriptor) &* 16 &+ 14, state.value.freeDescriptor)
    state.value.freeDescriptor = head
    state.value.freeDescriptors &+= count
    use(of: .interface(driver), by: environment).value.inFlight &-= count
    header.value.counters.packetsSent &+= 1
    if isLive(environment) {
      page(of: environment).value.packetsSent &+= 1
    }
  }
}
