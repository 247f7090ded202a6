import ExokernelABI
import VirtioLayout

/// State of the driver of one virtio-net device. Its rings are laid out as Start/rings.S says.
@frozen public struct InterfaceDriver {
  /// Physical address of the device's registers; 0 where there is no device.
  public var device: UInt64
  /// Physical address of its rings.
  public var rings: UInt64
  /// Interrupt line.
  public var interrupt: UInt32
  /// First free send descriptor.
  public var freeDescriptor: UInt16
  /// Free send descriptors.
  public var freeDescriptors: UInt16
  /// Received buffers taken over so far.
  public var receiveSeen: UInt16
  /// Receive buffers published so far.
  public var receivePublished: UInt16
  /// Sent chains taken over so far.
  public var sendSeen: UInt16
  /// Chains published so far.
  public var sendPublished: UInt16
  /// Bits of a packet header's first eight bytes that the agreed features allow.
  public var headerMask: UInt64

  static let receiveQueueSize: UInt32 = 64
  static let sendQueueSize: UInt32 = 256
  static let receiveAvailable: UInt64 = 1024
  static let receiveUsed: UInt64 = 1280
  static let sendUsed: UInt64 = 2048
  static let sendAvailable: UInt64 = 4608
  static let sendDescriptors: UInt64 = 8192
  static let sendHeaders: UInt64 = 12288
  /// Bytes of rings per interface.
  public static let ringsSize: UInt64 = 16384
}

extension Kernel {
  // Safe: the private layout gives each table its own range.
  /// Drivers of the network interfaces.
  @inline(__always) public var interfaceDrivers: Table<InterfaceDriver> {
    unsafe Table(hardware.privateBase + PrivateLayout.interfaceDrivers, count: UInt32(BooksLayout.interfaces))
  }
  /// Who sent the chain that starts at a descriptor, plus 1; 0 where no chain in the device's hands does.
  @inline(__always) var sendOwners: Table<UInt8> {
    unsafe Table(hardware.privateBase + PrivateLayout.sendOwners, count: UInt32(BooksLayout.interfaces) &* 256)
  }

  /// `CallNumber.packetSend`.
  public func packetSend(slot: UInt64, interface: UInt64) -> CallResult {
    guard let capability = capability(slot) else { return refuse(.noSuchCapability) }
    guard interface < UInt64(header.value.interfaceCount) else { return refuse(.noSuchResource) }
    guard
      capability.allows(
        .write, guardName: CapabilityName.guardName(CapabilityName.network, interface))
    else { return refuse(.notPermitted) }
    let environment = current
    let driver = UInt32(truncatingIfNeeded: interface)
    let block = UInt64(environments[environment].environmentPage) &<< 12 &+ EnvironmentPage.sendBlockOffset
    // The page may change under our eyes: an environment that shares the page table writes it on another processor, a
    // device writes it at any time. So each word is read once, and what was checked is what is used.
    let pieces: UInt32 = get(block)
    guard pieces <= SendBlock.maximumPieces else { return refuse(.badArgument) }
    // What the device has sent already goes back first, whatever comes of this call: it makes room.
    reclaimSent(driver)
    guard pieces != 0 else { return .success }
    guard UInt32(interfaceDrivers[driver].freeDescriptors) > pieces else { return refuse(.deviceFull) }

    // Check every piece while filling descriptors: until the head is published, the device does not look at them, and an error leaves
    // the free list as it was.
    let rings = interfaceDrivers[driver].rings
    let table = rings &+ InterfaceDriver.sendDescriptors
    let head = interfaceDrivers[driver].freeDescriptor
    var descriptor = head
    var following: UInt16 = get(table &+ UInt64(descriptor) &* 16 &+ 14)
    for index in 0..<UInt64(pieces) {
      let piece: UInt64 = get(block &+ 16 &+ index &* 8)
      let frame = piece & 0xffff_ffff
      let offset = piece &>> 32 & 0xffff
      let length = piece &>> 48
      guard frame < UInt64(header.value.frameCount), length >= 1, offset &+ length <= 4096 else {
        return refuse(.badArgument)
      }
      let number = UInt32(truncatingIfNeeded: frame)
      guard frames[number].kind == FrameKind.memory.rawValue, UInt32(frames[number].owner) == environment,
        frames[number].pins < UInt16.max &- 32
      else { return refuse(.notPermitted) }
      descriptor = following
      let entry = table &+ UInt64(descriptor) &* 16
      following = get(entry &+ 14)
      put(entry, frame &<< 12 &+ offset)
      put(entry &+ 8, UInt32(truncatingIfNeeded: length))
      put(entry &+ 12, index &+ 1 < UInt64(pieces) ? VirtqueueDescriptor.Flag.next : 0)
    }

    // From here on nothing can fail.
    descriptor = get(table &+ UInt64(head) &* 16 &+ 14)
    for _ in 0..<pieces {
      let entry = table &+ UInt64(descriptor) &* 16
      let address: UInt64 = get(entry)
      frames[UInt32(truncatingIfNeeded: address &>> 12)].pin()
      descriptor = get(entry &+ 14)
    }
    interfaceDrivers[driver].freeDescriptor = following
    interfaceDrivers[driver].freeDescriptors &-= UInt16(truncatingIfNeeded: pieces &+ 1)
    let header = rings &+ InterfaceDriver.sendHeaders &+ UInt64(head) &* 16
    let first: UInt64 = get(block &+ 4)
    let rest: UInt32 = get(block &+ 12)
    put(header, first & interfaceDrivers[driver].headerMask)
    put(header &+ 8, rest & 0xffff)
    let entry = table &+ UInt64(head) &* 16
    put(entry, header)
    put(entry &+ 8, UInt32(VirtioNetwork.Header.byteCount))
    put(entry &+ 12, VirtqueueDescriptor.Flag.next)
    sendOwners[driver &* 256 &+ UInt32(head)] = UInt8(truncatingIfNeeded: environment &+ 1)
    let published = interfaceDrivers[driver].sendPublished
    put(rings &+ InterfaceDriver.sendAvailable &+ 4 &+ UInt64(published & 255) &* 2, head)
    hardware.orderStores()
    put(rings &+ InterfaceDriver.sendAvailable &+ 2, published &+ 1)
    interfaceDrivers[driver].sendPublished = published &+ 1
    hardware.orderAll()
    let ringFlags: UInt16 = get(rings &+ InterfaceDriver.sendUsed)
    if ringFlags & 1 == 0 {
      hardware.deviceStore(interfaceDrivers[driver].device &+ VirtioMMIO.Register.queueNotify, 1)
    }
    return .success
  }

  /// Takes over up to four chains that the device has sent: their frames may be given back.
  func reclaimSent(_ driver: UInt32) {
    let rings = interfaceDrivers[driver].rings
    var seen = interfaceDrivers[driver].sendSeen
    for _ in 0..<4 {
      let published: UInt16 = get(rings &+ InterfaceDriver.sendUsed &+ 2)
      guard published != seen else { break }
      hardware.orderStores()
      let head: UInt32 = get(rings &+ InterfaceDriver.sendUsed &+ 4 &+ UInt64(seen & 255) &* 8)
      seen &+= 1
      freeChain(driver, head)
    }
    interfaceDrivers[driver].sendSeen = seen
  }

  private func freeChain(_ driver: UInt32, _ first: UInt32) {
    // A device that names a chain that it has not been given, or has given back, is broken; what it says is not believed. The
    // descriptors are the kernel's, so the chain itself is as it was made.
    guard first < InterfaceDriver.sendQueueSize else { return }
    let ownerPlusOne = UInt32(sendOwners[driver &* 256 &+ first])
    guard ownerPlusOne != 0 else { return }
    sendOwners[driver &* 256 &+ first] = 0
    let head = UInt16(truncatingIfNeeded: first)
    let table = interfaceDrivers[driver].rings &+ InterfaceDriver.sendDescriptors
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
    put(table &+ UInt64(descriptor) &* 16 &+ 14, interfaceDrivers[driver].freeDescriptor)
    interfaceDrivers[driver].freeDescriptor = head
    interfaceDrivers[driver].freeDescriptors &+= count
    header.value.counters.packetsSent &+= 1
    if isLive(environment) {
      page(of: environment).value.packetsSent &+= 1
    }
  }
}
