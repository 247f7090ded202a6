import Testing
import VirtioLayout

@testable import Hypervisor

@Suite struct VirtioTransportTests {
  @Test("the identification registers say what the device is")
  func identification() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    #expect(driver.read(VirtioMMIO.Register.magicValue) == 0x7472_6976)
    #expect(driver.read(VirtioMMIO.Register.version) == 2)
    #expect(driver.read(VirtioMMIO.Register.deviceID) == VirtioDeviceID.entropy)
    #expect(driver.read(VirtioMMIO.Register.queueSizeMaximum) == 64)
    driver.write(VirtioMMIO.Register.queueSelect, 1)
    #expect(driver.read(VirtioMMIO.Register.queueSizeMaximum) == 0)
    driver.write(VirtioMMIO.Register.queueSelect, .max)
    #expect(driver.read(VirtioMMIO.Register.queueSizeMaximum) == 0)
    for register in stride(from: VirtioMMIO.Register.sharedMemoryLengthLow, to: 0xc0, by: 4) {
      #expect(driver.read(register) == .max)
    }
  }

  @Test("features that are not offered, or the lack of VERSION_1, are refused")
  func featureNegotiation() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    #expect(driver.offeredFeatures == .version1 | .eventIndex | .indirectDescriptors)
    #expect(!driver.negotiate(.version1 | .blockFlush))
    #expect(!driver.negotiate(.eventIndex))
    #expect(!driver.negotiate(.version1 | VirtioFeatures(bit: 63)))
    #expect(driver.negotiate(.version1 | .eventIndex))
    // Once agreed upon, they stay.
    driver.write(VirtioMMIO.Register.driverFeaturesSelect, 0)
    driver.write(VirtioMMIO.Register.driverFeatures, .max)
    #expect(driver.status.contains(.featuresOK))
    try driver.setUpQueue(0)
    driver.start()
    #expect(!driver.needsReset)
  }

  @Test("a device whose driver skips FEATURES_OK needs a reset")
  func driverOKTooEarly() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    driver.write(VirtioMMIO.Register.status, 1)
    driver.write(VirtioMMIO.Register.status, 7)
    #expect(driver.needsReset)
    #expect(!driver.status.contains(.driverOK))
    driver.write(VirtioMMIO.Register.status, 0)
    #expect(driver.status == .reset)
    try driver.bringUp()
  }

  @Test("NEEDS_RESET cannot be set or cleared by the driver but by a reset")
  func needsResetIsOurs() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    driver.write(VirtioMMIO.Register.status, 64 | 1)
    #expect(driver.status == .acknowledge)
    try driver.bringUp()
    driver.setDescriptor(0, 0, address: .max, byteCount: 1, flags: VirtqueueDescriptor.Flag.write)
    driver.publish(0, head: 0)
    driver.notify(0)
    #expect(driver.needsReset)
    driver.write(VirtioMMIO.Register.status, 15)
    #expect(driver.needsReset)
    driver.write(VirtioMMIO.Register.status, 0)
    #expect(driver.status == .reset)
  }

  @Test("a reset takes queues, features and interrupts back, and the device works again")
  func reset() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    for _ in 0..<3 {
      try driver.bringUp(.eventIndex)
      let buffer = driver.allocate(64)
      driver.add(0, [.writable(buffer, 64)])
      driver.notify(0)
      #expect(driver.takeUsed(0).map(\.byteCount) == [64])
      #expect(driver.read(VirtioMMIO.Register.interruptStatus) == VirtioMMIO.Interrupt.usedBuffer)
      driver.write(VirtioMMIO.Register.status, 0)
      #expect(driver.read(VirtioMMIO.Register.interruptStatus) == 0)
      #expect(driver.read(VirtioMMIO.Register.queueReady) == 0)
    }
  }

  @Test("a reset between DRIVER_OK and the device thread's start leaves the device off")
  func resetBeforeStart() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try #require(driver.negotiate(.version1))
    try driver.setUpQueue(0)
    let buffer = driver.allocate(64)
    driver.add(0, [.writable(buffer, 64)])
    driver.write(VirtioMMIO.Register.status, (driver.status | .driverOK).rawValue)
    driver.write(VirtioMMIO.Register.status, 0)
    driver.thread.run()
    #expect(driver.usedIndex(0) == 0)
    #expect(driver.bytes(buffer, 64).allSatisfy { $0 == 0 })
  }

  @Test("a doorbell before the queue or the device is ready does nothing")
  func earlyDoorbell() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    driver.notify(0)
    try #require(driver.negotiate(.version1))
    driver.notify(0)
    try driver.setUpQueue(0)
    driver.notify(0)
    driver.notify(1)
    driver.write(VirtioMMIO.Register.queueNotify, .max)
    driver.thread.run()
    #expect(!driver.needsReset)
    #expect(driver.line.count == 0)
  }

  @Test("requests made before DRIVER_OK are served without a doorbell")
  func requestsBeforeStart() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try #require(driver.negotiate(.version1))
    try driver.setUpQueue(0)
    driver.add(0, [.writable(driver.allocate(16), 16)])
    driver.start()
    #expect(driver.takeUsed(0).count == 1)
    #expect(driver.line.count == 1)
  }

  @Test("accesses of the wrong width, alignment or direction change nothing and read as zero")
  func oddAccesses() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp()
    let before = driver.status
    for offset in UInt64(0)..<0x220 {
      for byteCount in [1, 2, 4, 8] where offset % 4 != 0 || byteCount != 4 {
        if offset < VirtioMMIO.Register.configuration {
          #expect(driver.transport.read(offset: offset, byteCount: byteCount) == 0)
        }
        driver.transport.write(offset: offset, byteCount: byteCount, value: .max)
      }
    }
    #expect(driver.status == before)
    // Registers that do not exist or cannot be written.
    for offset in [0x000, 0x004, 0x008, 0x010, 0x018, 0x040, 0x04c, 0x060, 0x0c4, 0x0f8, 0x0fc, 0x100, 0x1fc, 0x1000] {
      driver.write(UInt64(offset), .max)
    }
    for offset in [0x018, 0x01c, 0x028, 0x02c, 0x03c, 0x040, 0x048, 0x04c, 0x054, 0x068, 0x0c4, 0x100, 0x1fc, 0x1000] {
      #expect(driver.read(UInt64(offset)) == 0)
    }
    #expect(driver.transport.read(offset: .max, byteCount: 8) == 0)
    #expect(driver.status == before)
    driver.add(0, [.writable(driver.allocate(16), 16)])
    driver.notify(0)
    #expect(driver.takeUsed(0).count == 1)
  }

  @Test(
    "a queue of an impossible size is refused", arguments: [UInt32(0), 3, 128, 65, 1 << 15, 1 << 16, 65_537, .max])
  func queueSizes(size: UInt32) throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try #require(driver.negotiate(.version1))
    driver.write(VirtioMMIO.Register.queueSelect, 0)
    driver.write(VirtioMMIO.Register.queueSize, size)
    driver.write(VirtioMMIO.Register.queueDescriptorLow, 0x1000)
    driver.write(VirtioMMIO.Register.queueDriverLow, 0x10_0000)
    driver.write(VirtioMMIO.Register.queueDeviceLow, 0x20_0000)
    driver.write(VirtioMMIO.Register.queueReady, 1)
    #expect(driver.transport.failure == .invalidSize(size, maximum: 64))
    #expect(driver.needsReset)
    #expect(driver.read(VirtioMMIO.Register.queueReady) == 0)
    // Without DRIVER_OK there is no interrupt to tell of it.
    #expect(driver.line.count == 0)
    driver.start()
    #expect(!driver.status.contains(.driverOK))
  }

  @Test("rings outside memory, misaligned or overlapping are refused")
  func ringPlacement() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    func failure(_ placement: @escaping (inout VirtioDriver.Ring) -> Void) throws -> VirtqueueError? {
      try #require(driver.negotiate(.version1 | .eventIndex))
      try driver.setUpQueue(0, size: 16, placement: placement)
      return driver.transport.failure
    }
    let end = UInt64(driver.memory.byteCount)
    func outside(_ part: VirtqueueError.Part, _ address: UInt64, _ byteCount: Int) -> VirtqueueError {
      .ringOutsideMemory(part, GuestAddress(address), byteCount: byteCount)
    }
    let cases: [(VirtqueueError?, (inout VirtioDriver.Ring) -> Void)] = [
      (nil, { _ in }),
      (nil, { $0.descriptorTable = end - 256 }),
      (outside(.descriptorTable, end - 240, 256), { $0.descriptorTable = end - 240 }),
      (outside(.usedRing, end - 132, 134), { $0.usedRing = end - 132 }),
      (outside(.usedRing, .max - 3, 134), { $0.usedRing = .max - 3 }),
      (outside(.availableRing, .max - 1, 38), { $0.availableRing = .max - 1 }),
      (.misaligned(.descriptorTable, GuestAddress(0x3008)), { $0.descriptorTable = 0x3008 }),
      (.misaligned(.availableRing, GuestAddress(0x3001)), { $0.availableRing = 0x3001 }),
      (.misaligned(.usedRing, GuestAddress(0x3002)), { $0.usedRing = 0x3002 }),
      (.overlap(.descriptorTable, .usedRing), { $0.usedRing = $0.descriptorTable }),
      (.overlap(.descriptorTable, .availableRing), { $0.availableRing = $0.descriptorTable + 254 }),
      (nil, { $0.availableRing = $0.descriptorTable + 256 }),
      (.overlap(.availableRing, .usedRing), { $0.usedRing = $0.availableRing + 36 }),
    ]
    for (expected, placement) in cases {
      let found = try failure(placement)
      #expect(found == expected)
      #expect(driver.needsReset == (expected != nil))
    }
  }

  @Test("queues cannot be switched on before FEATURES_OK or after DRIVER_OK, nor off while the device runs")
  func queueSequence() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    driver.write(VirtioMMIO.Register.status, 3)
    try driver.setUpQueue(0)
    #expect(driver.needsReset)

    try #require(driver.negotiate(.version1))
    driver.start()
    try driver.setUpQueue(0)
    #expect(driver.needsReset)
    #expect(driver.line.count == 1)
    #expect(driver.read(VirtioMMIO.Register.interruptStatus) == VirtioMMIO.Interrupt.configurationChange)

    try driver.bringUp()
    driver.write(VirtioMMIO.Register.queueReady, 0)
    #expect(driver.needsReset)
    // Before the device runs it is allowed.
    try #require(driver.negotiate(.version1))
    try driver.setUpQueue(0)
    driver.write(VirtioMMIO.Register.queueReady, 0)
    #expect(driver.read(VirtioMMIO.Register.queueReady) == 0)
    try driver.setUpQueue(0)
    driver.start()
    #expect(!driver.needsReset)
  }

  @Test("the interrupt status keeps what is not acknowledged")
  func interruptStatus() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp()
    driver.add(0, [.writable(driver.allocate(16), 16)])
    driver.notify(0)
    driver.transport.configurationChanged()
    #expect(driver.line.count == 2)
    #expect(driver.read(VirtioMMIO.Register.configurationGeneration) == 1)
    #expect(driver.read(VirtioMMIO.Register.interruptStatus) == 3)
    driver.write(VirtioMMIO.Register.interruptAcknowledge, 1)
    #expect(driver.read(VirtioMMIO.Register.interruptStatus) == 2)
    driver.write(VirtioMMIO.Register.interruptAcknowledge, .max)
    #expect(driver.read(VirtioMMIO.Register.interruptStatus) == 0)
  }

  @Test("doorbells name the notify register and the queue")
  func doorbells() throws {
    let backend = RecordingBackend()
    let driver = try VirtioDriver(VirtioNetDevice(backend: backend, macAddress: MACAddress(index: 1)))
    #expect(driver.transport.doorbells.map(\.value) == [0, 1])
    #expect(driver.transport.doorbells.allSatisfy { $0.offset == 0x50 && $0.byteCount == 4 })
  }
}

@Suite struct AddressBusTests {
  private final class Register: MMIODevice {
    let value: UInt64
    init(_ value: UInt64) { self.value = value }
    func read(offset: UInt64, byteCount: Int) -> UInt64 { value &+ offset }
    func write(offset: UInt64, byteCount: Int, value: UInt64) {}
  }

  @Test("each address reaches its device, and nobody's address reads as all ones")
  func dispatch() throws {
    var bus = AddressBus()
    try bus.add(Register(0x3000_0000_0000_0000), at: 0x3000, byteCount: 0x1000)
    try bus.add(Register(0x1000_0000_0000_0000), at: 0x1000, byteCount: 0x1000)
    try bus.add(Register(7), at: .max - 7, byteCount: 8)
    #expect(bus.read(at: 0x1008, byteCount: 8) == 0x1000_0000_0000_0008)
    #expect(bus.read(at: 0x3ffc, byteCount: 4) == 0xffc)
    #expect(bus.read(at: 0x3fff, byteCount: 1) == 0xff)
    #expect(bus.read(at: .max - 7, byteCount: 8) == 7)
    #expect(bus.read(at: 0x3ffd, byteCount: 4) == 0xffff_ffff)
    #expect(bus.read(at: 0x2000, byteCount: 2) == 0xffff)
    #expect(bus.read(at: 0xfff, byteCount: 1) == 0xff)
    #expect(bus.read(at: .max, byteCount: 8) == .max)
    #expect(bus.read(at: 0x1000, byteCount: 3) == 0xff_ffff)
    #expect(!bus.write(at: 0x2000, byteCount: 4, value: 0))
    #expect(bus.write(at: 0x1000, byteCount: 4, value: 0))
  }

  @Test("a range that is empty, too long or taken is refused")
  func refusals() throws {
    var bus = AddressBus()
    try bus.add(Register(0), at: 0x1000, byteCount: 0x1000)
    for (start, byteCount) in [(UInt64(0x1fff), UInt64(1)), (0, 0x1001), (0x1800, 8), (0, .max)] {
      #expect(throws: AddressBusError.overlap(start: start, byteCount: byteCount)) {
        try bus.add(Register(0), at: start, byteCount: byteCount)
      }
    }
    for (start, byteCount) in [(UInt64(5), UInt64(0)), (.max, 2), (2, .max)] {
      #expect(throws: AddressBusError.invalidRange(start: start, byteCount: byteCount)) {
        try bus.add(Register(0), at: start, byteCount: byteCount)
      }
    }
  }
}
