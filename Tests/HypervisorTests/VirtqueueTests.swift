import Testing
import VirtioLayout

@testable import Hypervisor

private let next = VirtqueueDescriptor.Flag.next
private let write = VirtqueueDescriptor.Flag.write
private let indirect = VirtqueueDescriptor.Flag.indirect

@Suite struct VirtqueueTests {
  /// An entropy device that runs; its driver plays foul.
  private func entropy(_ features: VirtioFeatures = .indirectDescriptors) throws -> VirtioDriver {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp(features)
    return driver
  }

  /// Rings the doorbell and expects that the device stops, tells so, keeps its hands off memory, and lives again after
  /// a reset.
  private func expectFailure(
    _ error: VirtqueueError, _ driver: VirtioDriver, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    driver.notify(0)
    #expect(driver.transport.failure == error, sourceLocation: sourceLocation)
    #expect(driver.needsReset, sourceLocation: sourceLocation)
    #expect(driver.line.count == 1, sourceLocation: sourceLocation)
    #expect(
      driver.read(VirtioMMIO.Register.interruptStatus) == VirtioMMIO.Interrupt.configurationChange,
      sourceLocation: sourceLocation)
    #expect(driver.usedIndex(0) == 0, sourceLocation: sourceLocation)
    // Stopped: even a good request is not served.
    driver.add(0, [.writable(driver.allocate(16), 16)])
    driver.notify(0)
    #expect(driver.usedIndex(0) == 0, sourceLocation: sourceLocation)
    #expect(!error.description.isEmpty)
    try driver.bringUp()
    driver.add(0, [.writable(driver.allocate(16), 16)])
    driver.notify(0)
    #expect(driver.takeUsed(0).map(\.byteCount) == [16], sourceLocation: sourceLocation)
  }

  @Test("a chain that loops is refused")
  func loops() throws {
    var driver = try entropy()
    driver.setDescriptor(0, 0, address: 0x1000, byteCount: 16, flags: write | next, next: 0)
    driver.publish(0, head: 0)
    try expectFailure(.loop, driver)
    driver = try entropy()
    for index in UInt16(0)..<16 {
      driver.setDescriptor(
        0, index, address: 0x1000, byteCount: 16, flags: write | next, next: (index + 1) % 16)
    }
    driver.publish(0, head: 3)
    try expectFailure(.loop, driver)
  }

  @Test("a buffer outside memory, at its end or around the end of the address space is refused")
  func addresses() throws {
    let end: UInt64 = 8 << 20
    for (address, byteCount) in [
      (end, UInt32(1)), (end - 1, 2), (0, .max), (.max, 1), (.max, .max), (1 << 63, 16), (UInt64(Int64.max), 16),
      (end / 2, UInt32(end)),
    ] {
      let driver = try entropy()
      driver.setDescriptor(0, 0, address: address, byteCount: byteCount, flags: write)
      driver.publish(0, head: 0)
      try expectFailure(.bufferOutsideMemory(GuestAddress(address), byteCount: byteCount), driver)
    }
    let driver = try entropy()
    driver.setDescriptor(0, 0, address: end - 16, byteCount: 16, flags: write)
    driver.publish(0, head: 0)
    driver.notify(0)
    #expect(driver.takeUsed(0).count == 1)
  }

  @Test("a buffer of zero bytes is refused")
  func zeroLength() throws {
    let driver = try entropy()
    driver.setDescriptor(0, 0, address: 0x1000, byteCount: 0, flags: write)
    driver.publish(0, head: 0)
    try expectFailure(.emptyBuffer, driver)
  }

  @Test("descriptor indexes outside their table are refused")
  func descriptorIndexes() throws {
    var driver = try entropy()
    driver.publish(0, head: 16)
    try expectFailure(.invalidDescriptorIndex(16), driver)
    driver = try entropy()
    driver.setDescriptor(0, 0, address: 0x1000, byteCount: 16, flags: write | next, next: .max)
    driver.publish(0, head: 0)
    try expectFailure(.invalidDescriptorIndex(.max), driver)
    driver = try entropy()
    driver.store(
      VirtqueueDescriptor(address: 0x1000, byteCount: 16, flags: write | next, next: 2), 0x8000)
    driver.setDescriptor(0, 0, address: 0x8000, byteCount: 32, flags: indirect)
    driver.publish(0, head: 0)
    try expectFailure(.invalidDescriptorIndex(2), driver)
  }

  @Test("an available index that jumps past the queue's size is refused", arguments: [UInt16(17), 100, 0x8000, .max])
  func indexJumps(index: UInt16) throws {
    let driver = try entropy()
    driver.store(index, driver.rings[0]!.availableRing + SplitRingLayout.indexOffset)
    try expectFailure(.indexJump(from: 0, to: index), driver)
  }

  @Test("indirect tables: no nesting, no next, whole descriptors, inside memory, only by agreement")
  func indirectTables() throws {
    func failure(
      _ expected: VirtqueueError, features: VirtioFeatures = .indirectDescriptors, byteCount: UInt32 = 16,
      flags: UInt16 = indirect, table: UInt64 = 0x8000, inner: UInt16 = write
    ) throws {
      let driver = try entropy(features)
      if table == 0x8000 {
        driver.store(VirtqueueDescriptor(address: 0x1000, byteCount: 16, flags: inner, next: 0), table)
      }
      driver.setDescriptor(0, 0, address: table, byteCount: byteCount, flags: flags, next: 1)
      driver.publish(0, head: 0)
      try expectFailure(expected, driver)
    }
    try failure(.nestedIndirect, inner: indirect)
    try failure(.indirectWithNext, flags: indirect | next)
    try failure(.indirectNotAccepted, features: .none)
    for byteCount: UInt32 in [0, 1, 15, 17, 24, 16 * 1023, .max, .max - 15] {
      try failure(.invalidIndirectLength(byteCount), byteCount: byteCount)
    }
    try failure(.bufferOutsideMemory(GuestAddress(.max - 7), byteCount: 16), table: .max - 7)
    try failure(.loop, inner: write | next)
  }

  @Test("an indirect table may follow direct descriptors and may be misaligned")
  func mixedChain() throws {
    let driver = try entropy()
    let buffer = driver.allocate(4096)
    driver.store(VirtqueueDescriptor(address: buffer + 16, byteCount: 7, flags: write | next, next: 1), 0x8003)
    driver.store(VirtqueueDescriptor(address: buffer + 23, byteCount: 9, flags: write, next: 0), 0x8013)
    driver.setDescriptor(0, 5, address: buffer, byteCount: 16, flags: write | next, next: 1)
    driver.setDescriptor(0, 1, address: 0x8003, byteCount: 32, flags: indirect)
    driver.publish(0, head: 5)
    driver.notify(0)
    #expect(driver.takeUsed(0).map { [$0.id, $0.byteCount] } == [[5, 32]])
    #expect(driver.bytes(buffer + 32, 64).allSatisfy { $0 == 0 })
  }

  @Test("a readable buffer after a writable one is refused")
  func order() throws {
    let driver = try entropy()
    driver.add(0, [.writable(0x1000, 16), .readable(0x2000, 16)])
    try expectFailure(.readableAfterWritable, driver)
  }

  @Test("a chain of more than 2^32 - 1 bytes is refused")
  func totalLength() throws {
    // Memory is reserved, not touched: five gigabytes cost nothing.
    let driver = try VirtioDriver(VirtioEntropyDevice(), memoryByteCount: 5 << 30)
    try driver.bringUp(.indirectDescriptors)
    driver.add(0, [.writable(0, 2 << 30), .writable(0, 2 << 30)], isIndirect: true)
    try expectFailure(.chainTooLong, driver)
    try driver.bringUp(.indirectDescriptors)
    driver.add(0, [.writable(0, 2 << 30), .writable(0, (2 << 30) - 1)], isIndirect: true)
    driver.notify(0)
    #expect(!driver.needsReset)
  }

  @Test("a chain of 1,022 buffers in an indirect table is taken")
  func longestChain() throws {
    let driver = try entropy()
    let buffer = driver.allocate(4096)
    driver.add(0, (0..<1022).map { .writable(buffer + UInt64($0), 1) }, isIndirect: true)
    driver.notify(0)
    #expect(driver.takeUsed(0).map(\.byteCount) == [1022])
  }

  @Test("indexes wrap around after 65,536 requests")
  func wrapAround() throws {
    let driver = try entropy(.eventIndex)
    let buffer = driver.allocate(16)
    for round in 0..<4100 {
      for _ in 0..<16 { driver.add(0, [.writable(buffer, 8)]) }
      driver.notify(0)
      let used = driver.takeUsed(0)
      guard used.count == 16, used.allSatisfy({ $0.byteCount == 8 }) else {
        Issue.record("round \(round): \(used)")
        return
      }
    }
  }

  @Test("scatter lists load, store and trim across their pieces")
  func scatterList() throws {
    let memory = try GuestMemory(byteCount: 4096)
    let list = ScatterList()
    for (address, count) in [(0, 3), (100, 1), (200, 7), (300, 2)] {
      #expect(list.append(try memory.bytes(at: GuestAddress(UInt64(address)), byteCount: count)))
    }
    #expect(list.byteCount == 13)
    #expect(list.store(UInt64(0x0807_0605_0403_0201), at: 2))
    #expect(list.load(UInt64.self, at: 2) == 0x0807_0605_0403_0201)
    #expect(try memory.load(UInt8.self, at: GuestAddress(2)) == 1)
    #expect(try memory.load(UInt8.self, at: GuestAddress(100)) == 2)
    #expect(try memory.load(UInt8.self, at: GuestAddress(200)) == 3)
    #expect(!list.store(UInt64(0), at: 6))
    #expect(list.load(UInt64.self, at: 6) == nil)
    #expect(list.load(UInt64.self, at: -1) == nil)
    #expect(list.load(UInt8.self, at: .max) == nil)
    list.removeFirst(4)
    #expect(list.count == 2 && list.byteCount == 9)
    list.removeFirst(1)
    #expect(list.load(UInt8.self, at: 0) == 4)
    let last = try #require(list.removeLastByte())
    last.store(0xee)
    #expect(try memory.load(UInt8.self, at: GuestAddress(301)) == 0xee)
    list.removeLast(2)
    #expect(list.count == 1 && list.byteCount == 5)
    list.fillWithZeroes()
    #expect(try memory.load(UInt32.self, at: GuestAddress(201)) == 0)
    #expect(try memory.load(UInt8.self, at: GuestAddress(206)) == 0)
    list.removeLast(100)
    #expect(list.isEmpty && list.count == 0)
    #expect(list.removeLastByte() == nil)
    for _ in 0..<ScatterList.maximumCount {
      #expect(list.append(try memory.bytes(at: GuestAddress(0), byteCount: 1)))
    }
    #expect(!list.append(try memory.bytes(at: GuestAddress(0), byteCount: 1)))
    #expect(list.vectorsWithPrefix.count == ScatterList.maximumCount + 1)
  }
}

@Suite struct VirtqueueNotificationTests {
  private func request(_ driver: VirtioDriver) {
    driver.add(0, [.writable(0x1000, 8)])
    driver.notify(0)
  }

  @Test("without EVENT_IDX, flags silence the interrupt, and the device silences the doorbell only while it works")
  func flags() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp()
    request(driver)
    #expect(driver.line.count == 1)
    #expect(driver.load(UInt16.self, driver.rings[0]!.usedRing) == 0)
    driver.store(SplitRingLayout.noInterruptFlag, driver.rings[0]!.availableRing)
    request(driver)
    #expect(driver.line.count == 1)
    driver.store(UInt16(0), driver.rings[0]!.availableRing)
    request(driver)
    #expect(driver.line.count == 2)
    #expect(driver.takeUsed(0).count == 3)
  }

  @Test("with EVENT_IDX, the device interrupts when its index passes the driver's event and asks for the next doorbell")
  func eventIndex() throws {
    let driver = try VirtioDriver(VirtioEntropyDevice())
    try driver.bringUp(.eventIndex)
    let ring = driver.rings[0]!
    let usedEvent = ring.availableRing + ring.layout.usedEventOffset
    let availableEvent = ring.usedRing + ring.layout.availableEventOffset
    #expect(driver.load(UInt16.self, availableEvent) == 0)
    request(driver)
    #expect(driver.line.count == 1)
    #expect(driver.load(UInt16.self, availableEvent) == 1)
    // Only when the fourth comes.
    driver.store(UInt16(3), usedEvent)
    request(driver)
    request(driver)
    #expect(driver.line.count == 1)
    request(driver)
    #expect(driver.line.count == 2)
    // The event lies behind: no interrupt until it is moved.
    for _ in 0..<20 { request(driver) }
    #expect(driver.line.count == 2)
    #expect(driver.load(UInt16.self, availableEvent) == 24)
    // A batch that passes the event interrupts once.
    driver.store(UInt16(26), usedEvent)
    for _ in 0..<8 { driver.add(0, [.writable(0x1000, 8)]) }
    driver.notify(0)
    #expect(driver.line.count == 3)
    #expect(driver.takeUsed(0).count == 32)
  }

  @Test("needsEvent is right for all distances, across the wrap")
  func needsEvent() {
    for old: UInt16 in [0, 5, 0xfff0, 0xffff] {
      for step: UInt16 in 1...20 {
        for event: UInt16 in 0...40 {
          let event = event &+ old &- 20
          let passed = (0..<step).contains { old &+ $0 == event }
          #expect(SplitRingLayout.needsEvent(event: event, new: old &+ step, old: old) == passed)
        }
      }
    }
  }
}

@Suite struct VirtioLayoutTests {
  @Test("structures have the sizes and strides of the specification")
  func sizes() {
    #expect(MemoryLayout<VirtqueueDescriptor>.size == 16)
    #expect(MemoryLayout<VirtqueueUsedElement>.size == 8)
    #expect(MemoryLayout<VirtioBlock.RequestHeader>.size == 16)
    #expect(MemoryLayout<VirtioBlock.RangeSegment>.size == 16)
    #expect(MemoryLayout<VirtioNetwork.Header>.size == VirtioNetwork.Header.byteCount)
    #expect(MemoryLayout<VirtioNetwork.Header>.offset(of: \.bufferCount) == VirtioNetwork.Header.bufferCountOffset)
    #expect(MemoryLayout<VirtqueueDescriptor>.offset(of: \.next) == 14)
  }

  @Test("ring offsets follow from the queue's size")
  func offsets() throws {
    let layout = try #require(SplitRingLayout(queueSize: 256))
    #expect(layout.descriptorTableByteCount == 4096)
    #expect(layout.availableRingByteCount == 518)
    #expect(layout.usedRingByteCount == 2054)
    #expect(layout.usedEventOffset == 516)
    #expect(layout.availableEventOffset == 2052)
    #expect(layout.availableEntryOffset(257) == 6)
    #expect(layout.usedElementOffset(0xffff) == 4 + 8 * 255)
    for size: UInt16 in [0, 3, 6, 255, 0xffff] { #expect(SplitRingLayout(queueSize: size) == nil) }
    #expect(SplitRingLayout(queueSize: 1)?.slot(0xffff) == 0)
    #expect(SplitRingLayout(queueSize: 32768)?.slot(0xffff) == 32767)
  }
}
