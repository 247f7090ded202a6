import ExokernelABI
import VirtioLayout

/// Finding virtio-mmio devices and bringing them up (virtio 1.2, section 4.2.3). Only at boot.
extension Kernel {
  /// Brings up the device whose registers are at `device`, if it is one that the kernel drives.
  public func probeDevice(_ device: UInt64, interrupt: UInt32) {
    guard load(device, VirtioMMIO.Register.magicValue) == VirtioMMIO.magic,
      load(device, VirtioMMIO.Register.version) == VirtioMMIO.version
    else { return }
    switch load(device, VirtioMMIO.Register.deviceID) {
    case VirtioDeviceID.block where header.value.diskCount < UInt32(BooksLayout.disks):
      setUpDisk(device, interrupt)
    case VirtioDeviceID.network where header.value.interfaceCount < UInt32(BooksLayout.interfaces):
      setUpInterface(device, interrupt)
    default:
      break
    }
  }

  private func setUpDisk(_ device: UInt64, _ interrupt: UInt32) {
    guard let features = negotiate(device, .blockReadOnly | .blockFlush) else { return }
    let index = header.value.diskCount
    let rings = hardware.diskRings &+ UInt64(index) &* DiskDriver.ringsSize
    let isSetUp = setUpQueue(
      device, 0, size: DiskDriver.queueSize, descriptors: rings, available: rings &+ DiskDriver.availableOffset,
      used: rings &+ DiskDriver.usedOffset)
    guard isSetUp else { return fail(device) }
    let low = load(device, VirtioMMIO.Register.configuration &+ VirtioBlock.Configuration.capacity)
    let high = load(device, VirtioMMIO.Register.configuration &+ VirtioBlock.Configuration.capacity &+ 4)
    disks[index] = DiskRecord(
      blocks: UInt64(high) &<< 32 | UInt64(low), readOnly: features.contains(.blockReadOnly) ? 1 : 0)
    diskDrivers[index] = DiskDriver(
      device: device, rings: rings, freeRequests: .max, usedSeen: 0, published: 0, interrupt: interrupt,
      hasFlush: features.contains(.blockFlush) ? 1 : 0, waiting: 0, reserved: (0, 0, 0))
    header.value.diskCount = index &+ 1
    recordLine(interrupt, disk: index)
    start(device)
  }

  private func setUpInterface(_ device: UInt64, _ interrupt: UInt32) {
    let wanted: VirtioFeatures =
      .networkMACAddress | .networkMTU | .networkChecksum | .networkHostTSO4 | .networkGuestChecksum
    guard let features = negotiate(device, wanted) else { return }
    let index = header.value.interfaceCount
    let rings = hardware.networkRings &+ UInt64(index) &* InterfaceDriver.ringsSize
    let receives = setUpQueue(
      device, 0, size: InterfaceDriver.receiveQueueSize, descriptors: rings,
      available: rings &+ InterfaceDriver.receiveAvailable, used: rings &+ InterfaceDriver.receiveUsed)
    let sends = setUpQueue(
      device, 1, size: InterfaceDriver.sendQueueSize, descriptors: rings &+ InterfaceDriver.sendDescriptors,
      available: rings &+ InterfaceDriver.sendAvailable, used: rings &+ InterfaceDriver.sendUsed)
    guard receives, sends else { return fail(device) }
    let configuration = VirtioMMIO.Register.configuration
    let low = load(device, configuration &+ VirtioNetwork.Configuration.macAddress)
    let high = load(device, configuration &+ VirtioNetwork.Configuration.macAddress &+ 4) & 0xffff
    var offload: UInt32 = 0
    if features.contains(.networkChecksum) { offload |= 1 }
    if features.contains(.networkHostTSO4) { offload |= 2 }
    var unit: UInt32 = 1500
    if features.contains(.networkMTU) {
      // The word before holds the number of queue pairs; a 32-bit access of the pair of fields is allowed.
      unit = load(device, configuration &+ VirtioNetwork.Configuration.queuePairMaximum) &>> 16
      unit = unit < 1280 ? 1280 : unit > 1500 ? 1500 : unit
    }
    interfaces[index] = InterfaceRecord(
      hardwareAddress: UInt64(high) &<< 32 | UInt64(low), offload: offload, maximumTransmissionUnit: unit)
    interfaceDrivers[index] = InterfaceDriver(
      device: device, rings: rings, interrupt: interrupt, freeDescriptor: 0, freeDescriptors: 256, receiveSeen: 0,
      receivePublished: 64, sendSeen: 0, sendPublished: 0, headerMask: headerMask(offload),
      waiting: 0)
    // The device need not interrupt for what it has sent: the next send looks.
    put(rings &+ InterfaceDriver.sendAvailable, UInt16(1))
    header.value.interfaceCount = index &+ 1
    recordLine(interrupt, interface: index)
    start(device)
    hardware.deviceStore(device &+ VirtioMMIO.Register.queueNotify, 0)
  }

  /// What a packet's header may say (section 5.1.6.2): a checksum to complete, and segmentation, only where that was
  /// agreed on.
  private func headerMask(_ offload: UInt32) -> UInt64 {
    guard offload & 1 != 0 else { return 0 }
    return offload & 2 != 0 ? 0xffff_ffff_ffff_0101 : 0xffff_0000_0000_0001
  }

  /// Agrees on VERSION_1 and those of `wanted` that the device has; nil where it refuses.
  private func negotiate(_ device: UInt64, _ wanted: VirtioFeatures) -> VirtioFeatures? {
    store(device, VirtioMMIO.Register.status, 0)
    store(device, VirtioMMIO.Register.status, (VirtioDeviceStatus.acknowledge | .driver).rawValue)
    store(device, VirtioMMIO.Register.deviceFeaturesSelect, 0)
    let low = load(device, VirtioMMIO.Register.deviceFeatures)
    store(device, VirtioMMIO.Register.deviceFeaturesSelect, 1)
    let high = load(device, VirtioMMIO.Register.deviceFeatures)
    let offered = VirtioFeatures(rawValue: UInt64(high) &<< 32 | UInt64(low))
    guard offered.contains(.version1) else {
      fail(device)
      return nil
    }
    let agreed = offered & (wanted | .version1)
    store(device, VirtioMMIO.Register.driverFeaturesSelect, 0)
    store(device, VirtioMMIO.Register.driverFeatures, agreed.word(0))
    store(device, VirtioMMIO.Register.driverFeaturesSelect, 1)
    store(device, VirtioMMIO.Register.driverFeatures, agreed.word(1))
    store(
      device, VirtioMMIO.Register.status, (VirtioDeviceStatus.acknowledge | .driver | .featuresOK).rawValue)
    guard load(device, VirtioMMIO.Register.status) & VirtioDeviceStatus.featuresOK.rawValue != 0 else {
      fail(device)
      return nil
    }
    return agreed
  }

  private func setUpQueue(
    _ device: UInt64, _ queue: UInt32, size: UInt32, descriptors: UInt64, available: UInt64, used: UInt64
  ) -> Bool {
    store(device, VirtioMMIO.Register.queueSelect, queue)
    guard load(device, VirtioMMIO.Register.queueSizeMaximum) >= size else { return false }
    store(device, VirtioMMIO.Register.queueSize, size)
    // All rings are below 4 GiB; the high halves are zero after a reset, but the device may have been used before.
    store(device, VirtioMMIO.Register.queueDescriptorLow, UInt32(truncatingIfNeeded: descriptors))
    store(device, VirtioMMIO.Register.queueDescriptorHigh, 0)
    store(device, VirtioMMIO.Register.queueDriverLow, UInt32(truncatingIfNeeded: available))
    store(device, VirtioMMIO.Register.queueDriverHigh, 0)
    store(device, VirtioMMIO.Register.queueDeviceLow, UInt32(truncatingIfNeeded: used))
    store(device, VirtioMMIO.Register.queueDeviceHigh, 0)
    store(device, VirtioMMIO.Register.queueReady, 1)
    return true
  }

  private func start(_ device: UInt64) {
    let status: VirtioDeviceStatus = .acknowledge | .driver | .featuresOK | .driverOK
    store(device, VirtioMMIO.Register.status, status.rawValue)
  }

  private func fail(_ device: UInt64) {
    store(device, VirtioMMIO.Register.status, VirtioDeviceStatus.failed.rawValue)
  }

  private func load(_ device: UInt64, _ register: UInt64) -> UInt32 { hardware.deviceLoad(device &+ register) }

  private func store(_ device: UInt64, _ register: UInt64, _ value: UInt32) {
    hardware.deviceStore(device &+ register, value)
  }
}
