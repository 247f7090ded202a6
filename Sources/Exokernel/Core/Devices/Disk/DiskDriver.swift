import ExokernelABI
import VirtioLayout

/// State of the driver of one virtio-blk device. Its rings are laid out as RingZero/Start/rings.S says.
@frozen public struct DiskDriver {
  /// Physical address of the device's registers; 0 where there is no device.
  public var device: UInt64
  /// Physical address of its rings.
  public var rings: UInt64
  /// Bit n is set where request n is free.
  public var freeRequests: UInt32
  /// Used entries taken over so far.
  public var usedSeen: UInt16
  /// Available entries published so far.
  public var published: UInt16
  /// Interrupt line.
  public var interrupt: UInt32
  /// Zero.
  public var reserved: UInt32

  /// Requests that may be in flight.
  public static let requests: UInt32 = 32
  static let availableOffset: UInt64 = 2048
  static let usedOffset: UInt64 = 2560
  static let headersOffset: UInt64 = 4096
  static let statusOffset: UInt64 = 4608
  /// Bytes of rings per disk.
  public static let ringsSize: UInt64 = 8192
  static let queueSize: UInt32 = 128
}

/// A request in flight.
@frozen public struct DiskRequest {
  /// The frame it reads or writes.
  public var frame: UInt32
  /// The extent's record.
  public var extent: UInt32
  /// Who asked.
  public var environment: UInt8
  /// The tag under which the result is told.
  public var tag: UInt8
  /// Zero.
  public var reserved: UInt16
}

/// Blocks that are to move between a disk and a frame.
struct BlockTransfer {
  /// The extent's record.
  var extent: UInt32
  var disk: UInt32
  var frame: UInt32
  /// The first block, counted on the disk.
  var first: UInt64
  var count: UInt64
  var tag: UInt64
  var isWrite: Bool
}

/// Disk blocks: extents are bound once, requests are checked against the extent, and the device moves the data to and
/// from the environment's own frame.
extension Kernel {
  // Safe: the private layout gives each table its own range.
  /// Drivers of the disks.
  @inline(__always) public var diskDrivers: Table<DiskDriver> {
    unsafe Table(hardware.privateBase + PrivateLayout.diskDrivers, count: UInt32(BooksLayout.disks))
  }
  @inline(__always) var diskRequests: Table<DiskRequest> {
    unsafe Table(
      hardware.privateBase + PrivateLayout.diskRequests, count: UInt32(BooksLayout.disks) &* DiskDriver.requests)
  }

  /// Checks `CallNumber.extentBind`: which record it becomes, and what is written there.
  func decodeExtentBind(slot: UInt64, disk: UInt64, first: UInt64, count: UInt64, rights: UInt64) throws(CallError)
    -> (index: UInt32, record: ExtentRecord)
  {
    let capability = try presented(slot)
    guard disk < UInt64(header.value.diskCount) else { throw .noSuchResource }
    let wanted = Rights(rawValue: UInt32(truncatingIfNeeded: rights) & 3)
    let name = CapabilityName.guardName(CapabilityName.disk, disk)
    guard !wanted.isEmpty, capability.allows(wanted, guardName: name) else { throw .notPermitted }
    let record = disks[UInt32(truncatingIfNeeded: disk)]
    guard record.readOnly == 0 || !wanted.contains(.write) else { throw .notPermitted }
    guard count > 0, count <= record.blocks, first <= record.blocks &- count else { throw .badArgument }
    guard hasRoom(current, .extents), let index = extents.firstFree() else { throw .exhausted }
    let extent = ExtentRecord(
      first: first, count: count, guardName: environments[current].guardName,
      generation: extents[index].generation &+ 1, owner: current, disk: UInt16(truncatingIfNeeded: disk),
      rights: UInt16(truncatingIfNeeded: wanted.rawValue))
    return (index, extent)
  }

  /// Makes the extent; returns its handle.
  func performExtentBind(_ decoded: (index: UInt32, record: ExtentRecord)) -> UInt64 {
    extents[decoded.index] = decoded.record
    charge(current, .extents)
    return Handle.of(decoded.index, generation: decoded.record.generation)
  }

  /// Checks `CallNumber.extentUnbind`.
  func decodeExtentUnbind(slot: UInt64, extent handle: UInt64) throws(CallError) -> UInt32 {
    guard let index = extents.index(of: handle) else { throw .noSuchResource }
    try require(slot, .allocate, guardName: extents[index].guardName)
    guard extents[index].inFlight == 0 else { throw .busy }
    return index
  }

  /// Lets go of the extent.
  func performExtentUnbind(_ index: UInt32) { dropExtent(index) }

  /// Frees an extent's record; what is in flight still ends.
  func dropExtent(_ index: UInt32) {
    discharge(extents[index].owner, .extents)
    extents[index].count = 0
  }

  /// Checks `CallNumber.blockSubmit`.
  @inline(__always) func decodeBlockSubmit(_ call: BlockSubmitArguments) throws(CallError) -> BlockTransfer {
    guard let index = extents.index(of: call.extent) else { throw .noSuchResource }
    let binding = extents.cell(at: index)
    let isWrite = call.isWrite != 0
    let needed: Rights = isWrite ? .write : .read
    try require(call.slot, needed, guardName: binding.value.guardName)
    guard call.count >= 1, call.count <= 8, call.tag < EnvironmentPage.blockTags else { throw .badArgument }
    guard binding.value.rights & UInt16(needed.rawValue) != 0 else { throw .notPermitted }
    guard call.count <= binding.value.count, call.block <= binding.value.count &- call.count else {
      throw .badArgument
    }
    guard call.frame < UInt64(header.value.frameCount) else { throw .noSuchResource }
    let target = UInt32(truncatingIfNeeded: call.frame)
    guard frames[target].kind == FrameKind.memory.rawValue, UInt32(frames[target].owner) == current else {
      throw .notPermitted
    }
    let driver = UInt32(binding.value.disk)
    guard diskDrivers[driver].freeRequests != 0, frames[target].pins < UInt16.max else { throw .deviceFull }
    return BlockTransfer(
      extent: index, disk: driver, frame: target, first: binding.value.first &+ call.block, count: call.count,
      tag: call.tag, isWrite: isWrite)
  }

  /// Starts the transfer.
  @inline(__always) func performBlockSubmit(_ transfer: BlockTransfer) {
    let environment = current
    let driver = diskDrivers.cell(at: transfer.disk)
    let (target, isWrite) = (transfer.frame, transfer.isWrite)
    let free = driver.value.freeRequests
    let request = UInt32(truncatingIfNeeded: free.trailingZeroBitCount)
    driver.value.freeRequests = free & (free &- 1)
    frames.cell(at: target).value.pin()
    extents.cell(at: transfer.extent).value.inFlight &+= 1
    diskRequests[transfer.disk &* DiskDriver.requests &+ request] = DiskRequest(
      frame: target, extent: transfer.extent, environment: UInt8(truncatingIfNeeded: environment),
      tag: UInt8(truncatingIfNeeded: transfer.tag),
      reserved: 0)
    let page = UInt64(currentRecord.value.environmentPage) &<< 12
    put(page &+ EnvironmentPage.blockStatusOffset &+ transfer.tag, 0 as UInt8)
    let rings = driver.value.rings
    let header = rings &+ DiskDriver.headersOffset &+ UInt64(request) &* 16
    put(header, isWrite ? VirtioBlock.RequestType.write : VirtioBlock.RequestType.read)
    put(header &+ 8, transfer.first)
    let data = rings &+ UInt64(request &* 3 &+ 1) &* 16
    put(data, UInt64(target) &<< 12)
    put(data &+ 8, UInt32(truncatingIfNeeded: transfer.count &* 512))
    put(data &+ 12, VirtqueueDescriptor.Flag.next | (isWrite ? 0 : VirtqueueDescriptor.Flag.write))
    let published = driver.value.published
    put(
      rings &+ DiskDriver.availableOffset &+ 4 &+ UInt64(published & 127) &* 2, UInt16(truncatingIfNeeded: request &* 3)
    )
    hardware.orderStores()
    put(rings &+ DiskDriver.availableOffset &+ 2, published &+ 1)
    driver.value.published = published &+ 1
    hardware.orderAll()
    let ringFlags: UInt16 = get(rings &+ DiskDriver.usedOffset)
    if ringFlags & 1 == 0 { hardware.deviceStore(driver.value.device &+ VirtioMMIO.Register.queueNotify, 0) }
  }

  /// Takes over what the device has finished, at most a ring's worth.
  public func diskInterrupt(_ index: UInt32) {
    let driver = diskDrivers.cell(at: index)
    acknowledge(driver.value.device)
    let used = driver.value.rings &+ DiskDriver.usedOffset
    var rest = DiskDriver.requests
    while rest != 0 {
      let published: UInt16 = get(used &+ 2)
      let seen = driver.value.usedSeen
      guard published != seen else { return }
      hardware.orderStores()
      let descriptor: UInt32 = get(used &+ 4 &+ UInt64(seen & 127) &* 8)
      driver.value.usedSeen = seen &+ 1
      finishRequest(index, driver, descriptor / 3)
      rest &-= 1
    }
  }

  @inline(__always) private func finishRequest(_ index: UInt32, _ driver: Cell<DiskDriver>, _ request: UInt32) {
    // A device that names a request that is not in flight is broken; what it says is not believed.
    let free = driver.value.freeRequests
    guard request < DiskDriver.requests, free & (1 &<< request) == 0 else { return }
    driver.value.freeRequests = free | 1 &<< request
    let record = diskRequests.cell(at: index &* DiskDriver.requests &+ request)
    frames.cell(at: record.value.frame).value.unpin()
    wakeReaper()
    extents.cell(at: record.value.extent).value.inFlight &-= 1
    header.value.counters.blocks &+= 1
    let environment = UInt32(record.value.environment)
    // The frame was pinned, so its owner's record has not been used again; but it may have ended.
    guard isLive(environment) else { return }
    let page = UInt64(environments[environment].environmentPage) &<< 12
    let status: UInt8 = get(driver.value.rings &+ DiskDriver.statusOffset &+ UInt64(request))
    put(
      page &+ EnvironmentPage.blockStatusOffset &+ UInt64(record.value.tag),
      status == VirtioBlock.Status.ok ? 1 : 2 as UInt8)
    // Safe: as in `page(of:)`, whose address this is.
    countEvent(in: unsafe Cell(hardware.memory(at: page)))
  }
}
