import ExokernelABI
import VirtioLayout

/// Blocks that are to move between a disk and a frame.
struct BlockTransfer {
  /// The extent's record.
  var extent: UInt32
  var disk: UInt32
  /// What the environment has of the disk.
  var use: Cell<DeviceUse>
  var frame: UInt32
  /// The first block, counted on the disk.
  var first: UInt64
  var count: UInt64
  var tag: UInt64
  var isWrite: Bool
}

// Requests to disks, and what became of them.
extension Kernel {
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
    let driver = UInt32(binding.value.disk) & UInt32(BooksLayout.disks &- 1)
    guard frames[target].pins < UInt16.max else { throw .busy }
    let use = ownUse(ofDisk: driver)
    guard diskDrivers[driver].freeRequests != 0, use.value.inFlight < use.value.limit else {
      throw refuseRequest(driver)
    }
    return BlockTransfer(
      extent: index, disk: driver, use: use, frame: target, first: binding.value.first &+ call.block, count: call.count,
      tag: call.tag, isWrite: isWrite)
  }

  /// The environment's share of the disk has no room: it is told by an event when it has. That is noted, and nothing
  /// else is changed by a call that is refused. Who had no share, for the extent is another's, has one from now on, and
  /// is told at once.
  @inline(never) private func refuseRequest(_ disk: UInt32) -> CallError {
    startUsing(.disk(disk))
    let driver = diskDrivers.cell(at: disk)
    let use = use(of: .disk(disk), by: current).value
    if driver.value.freeRequests != 0, use.inFlight < use.limit {
      countEvent(of: current)
    } else {
      driver.value.waiting |= 1 &<< UInt64(current)
    }
    return .deviceFull
  }

  /// Starts the transfer.
  @inline(__always) func performBlockSubmit(_ transfer: BlockTransfer) {
    let driver = diskDrivers.cell(at: transfer.disk)
    let request = takeRequest(
      driver, transfer.disk, transfer.use, extent: transfer.extent, frame: transfer.frame, tag: transfer.tag, isFlush: 0
    )
    let rings = driver.value.rings
    let isWrite = transfer.isWrite
    let header = rings &+ DiskDriver.headersOffset &+ UInt64(request) &* 16
    put(header, isWrite ? VirtioBlock.RequestType.write : VirtioBlock.RequestType.read)
    put(header &+ 8, transfer.first)
    let data = rings &+ UInt64(request &* 3 &+ 1) &* 16
    put(data, UInt64(transfer.frame) &<< 12)
    put(data &+ 8, UInt32(truncatingIfNeeded: transfer.count &* 512))
    put(data &+ 12, VirtqueueDescriptor.Flag.next | (isWrite ? 0 : VirtqueueDescriptor.Flag.write))
    publish(request &* 3, driver)
  }

  /// Checks `CallNumber.diskFlush`.
  func decodeDiskFlush(slot: UInt64, extent handle: UInt64, tag: UInt64) throws(CallError) -> (
    extent: UInt32, disk: UInt32, tag: UInt64
  ) {
    guard let index = extents.index(of: handle) else { throw .noSuchResource }
    try require(slot, .write, guardName: extents[index].guardName)
    guard tag < EnvironmentPage.blockTags else { throw .badArgument }
    guard extents[index].rights & UInt16(Rights.write.rawValue) != 0 else { throw .notPermitted }
    let disk = UInt32(extents[index].disk)
    let page = currentRecord.value.environmentPage
    guard frames[page].pins < UInt16.max else { throw .busy }
    let use = use(of: .disk(disk), by: current).value
    guard diskDrivers[disk].freeRequests != 0, use.inFlight < use.limit else { throw refuseRequest(disk) }
    return (index, disk, tag)
  }

  /// Starts the flush (virtio 1.2, section 5.2.6): a header and a status, and no data between them; so the header has a
  /// descriptor of its own. Where the disk knows no flush, whatever it has finished is durable (section 5.2.6.2), and
  /// the flush has ended at once.
  func performDiskFlush(_ decoded: (extent: UInt32, disk: UInt32, tag: UInt64)) {
    let driver = diskDrivers.cell(at: decoded.disk)
    let page = currentRecord.value.environmentPage
    guard driver.value.hasFlush != 0 else {
      put(UInt64(page) &<< 12 &+ EnvironmentPage.blockStatusOffset &+ decoded.tag, 1 as UInt8)
      header.value.counters.blocks &+= 1
      return countEvent(of: current)
    }
    let request = takeRequest(
      driver, decoded.disk, use(of: .disk(decoded.disk), by: current), extent: decoded.extent, frame: page,
      tag: decoded.tag, isFlush: 1)
    let header = driver.value.rings &+ DiskDriver.headersOffset &+ UInt64(request) &* 16
    put(header, VirtioBlock.RequestType.flush)
    put(header &+ 8, 0 as UInt64)
    let descriptor = DiskDriver.flushDescriptors &+ request
    let place = driver.value.rings &+ UInt64(descriptor) &* 16
    put(place, header)
    put(place &+ 8, UInt32(VirtioBlock.headerByteCount))
    put(place &+ 12, VirtqueueDescriptor.Flag.next)
    put(place &+ 14, UInt16(truncatingIfNeeded: request &* 3 &+ 2))
    publish(descriptor, driver)
  }

  /// Takes a free request for the running environment; returns its number.
  @inline(__always) private func takeRequest(
    _ driver: Cell<DiskDriver>, _ disk: UInt32, _ use: Cell<DeviceUse>, extent: UInt32, frame: UInt32, tag: UInt64,
    isFlush: UInt16
  ) -> UInt32 {
    let free = driver.value.freeRequests
    let request = UInt32(truncatingIfNeeded: free.trailingZeroBitCount)
    driver.value.freeRequests = free & (free &- 1)
    frames.cell(at: frame).value.pin()
    extents.cell(at: extent).value.inFlight &+= 1
    use.value.inFlight &+= 1
    diskRequests[disk &* DiskDriver.requests &+ request] = DiskRequest(
      frame: frame, extent: extent, environment: UInt8(truncatingIfNeeded: current),
      tag: UInt8(truncatingIfNeeded: tag), isFlush: isFlush)
    let page = UInt64(currentRecord.value.environmentPage) &<< 12
    put(page &+ EnvironmentPage.blockStatusOffset &+ tag, 0 as UInt8)
    return request
  }

  /// Makes the chain that starts at a descriptor available to the device, and tells it where it wants to be told.
  @inline(__always) private func publish(_ descriptor: UInt32, _ driver: Cell<DiskDriver>) {
    let rings = driver.value.rings
    let published = driver.value.published
    put(
      rings &+ DiskDriver.availableOffset &+ 4 &+ UInt64(published & 127) &* 2, UInt16(truncatingIfNeeded: descriptor))
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
      guard published != seen else { break }
      hardware.orderStores()
      let descriptor: UInt32 = get(used &+ 4 &+ UInt64(seen & 127) &* 8)
      driver.value.usedSeen = seen &+ 1
      finishRequest(index, driver, descriptor)
      rest &-= 1
    }
    if _slowPath(driver.value.waiting != 0) { tellOfRequests(index) }
  }

  /// Tells those who wait for a request and may have one now.
  @inline(never) func tellOfRequests(_ disk: UInt32) {
    let driver = diskDrivers.cell(at: disk)
    guard driver.value.freeRequests != 0 else { return }
    driver.value.waiting = tellOfRoom(on: .disk(disk), driver.value.waiting)
  }

  @inline(__always) private func finishRequest(_ index: UInt32, _ driver: Cell<DiskDriver>, _ descriptor: UInt32) {
    let request = descriptor / 3
    guard request < DiskDriver.requests else { return finishFlush(index, driver, descriptor) }
    finish(index, driver, request)
  }

  /// The chain does not start with a descriptor of what moves data.
  @inline(never) private func finishFlush(_ index: UInt32, _ driver: Cell<DiskDriver>, _ descriptor: UInt32) {
    let request = descriptor &- DiskDriver.flushDescriptors
    guard request < DiskDriver.requests, diskRequests[index &* DiskDriver.requests &+ request].isFlush != 0 else {
      return
    }
    finish(index, driver, request)
  }

  @inline(__always) private func finish(_ index: UInt32, _ driver: Cell<DiskDriver>, _ request: UInt32) {
    // A device that names a request that is not in flight is broken; what it says is not believed.
    let free = driver.value.freeRequests
    guard free & (1 &<< request) == 0 else { return }
    driver.value.freeRequests = free | 1 &<< request
    let record = diskRequests.cell(at: index &* DiskDriver.requests &+ request)
    frames.cell(at: record.value.frame).value.unpin()
    wakeReaper()
    extents.cell(at: record.value.extent).value.inFlight &-= 1
    header.value.counters.blocks &+= 1
    let environment = UInt32(record.value.environment)
    let isLive = isLive(environment)
    use(of: .disk(index), by: environment).value.inFlight &-= 1
    // The frame was pinned, so its owner's record has not been used again; but it may have ended.
    guard isLive else { return }
    let page = UInt64(environments[environment].environmentPage) &<< 12
    let status: UInt8 = get(driver.value.rings &+ DiskDriver.statusOffset &+ UInt64(request))
    put(
      page &+ EnvironmentPage.blockStatusOffset &+ UInt64(record.value.tag),
      status == VirtioBlock.Status.ok ? 1 : 2 as UInt8)
    // Safe: as in `page(of:)`, whose address this is.
    countEvent(in: unsafe Cell(hardware.memory(at: page)))
  }
}
