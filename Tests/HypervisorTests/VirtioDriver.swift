import Synchronization
import Testing
import VirtioLayout

@testable import Hypervisor

/// Runs posted work when the test says so.
final class ManualThread: DeviceThread {
  private let work = Mutex<[@Sendable () -> Void]>([])

  func post(_ body: @escaping @Sendable () -> Void) {
    work.withLock { $0.append(body) }
  }

  /// Runs one piece of what was posted; false where there is none.
  @discardableResult func step() -> Bool {
    guard let next = work.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return false }
    next()
    return true
  }

  /// Runs everything posted, and what that posts; at most `limit` pieces, so that a test cannot hang.
  func run(limit: Int = 10_000) {
    for _ in 0..<limit {
      guard let next = work.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { return }
      next()
    }
    Issue.record("the device thread does not come to rest")
  }
}

/// Counts interrupts.
final class CountingLine: InterruptLine {
  private let raised = Atomic<Int>(0)
  var count: Int { raised.load(ordering: .relaxed) }
  func raise() { raised.add(1, ordering: .relaxed) }
}

/// A full memory barrier, for drivers that run beside their device.
func atomicFence() {
  atomicMemoryFence(ordering: .sequentiallyConsistent)
}

/// A buffer of a request as a driver describes it.
struct DriverBuffer {
  var address: UInt64
  var byteCount: UInt32
  var isWritable: Bool

  static func readable(_ address: UInt64, _ byteCount: Int) -> Self {
    Self(address: address, byteCount: UInt32(byteCount), isWritable: false)
  }
  static func writable(_ address: UInt64, _ byteCount: Int) -> Self {
    Self(address: address, byteCount: UInt32(byteCount), isWritable: true)
  }
}

/// A virtio driver, played by a test: registers, rings and buffers of one device.
final class VirtioDriver {
  struct Ring {
    var layout: SplitRingLayout
    var descriptorTable: UInt64
    var availableRing: UInt64
    var usedRing: UInt64
    var nextAvailable: UInt16 = 0
    var nextUsed: UInt16 = 0
    var nextDescriptor: UInt16 = 0
  }

  let memory: GuestMemory
  /// Runs the device where the test did not give it a real thread.
  let thread = ManualThread()
  let line = CountingLine()
  let transport: VirtioMMIOTransport
  var rings: [Ring?] = []
  /// Where `allocate` goes on.
  private var top: UInt64 = 0x10_0000
  private var isReused = false
  private(set) var features = VirtioFeatures.none

  init(_ device: any VirtioDevice, memoryByteCount: Int = 8 << 20, thread other: (any DeviceThread)? = nil) throws {
    memory = try GuestMemory(byteCount: memoryByteCount)
    transport = VirtioMMIOTransport(device: device, memory: memory, line: line, thread: other ?? thread)
    rings = device.queueSizes.map { _ in nil }
  }

  // MARK: Registers

  func read(_ register: UInt64) -> UInt32 { UInt32(transport.read(offset: register, byteCount: 4)) }

  func write(_ register: UInt64, _ value: UInt32) {
    transport.write(offset: register, byteCount: 4, value: UInt64(value))
  }

  var status: VirtioDeviceStatus { VirtioDeviceStatus(rawValue: read(VirtioMMIO.Register.status)) }

  var needsReset: Bool { status.contains(.needsReset) }

  var offeredFeatures: VirtioFeatures {
    write(VirtioMMIO.Register.deviceFeaturesSelect, 0)
    let low = read(VirtioMMIO.Register.deviceFeatures)
    write(VirtioMMIO.Register.deviceFeaturesSelect, 1)
    return VirtioFeatures(rawValue: UInt64(read(VirtioMMIO.Register.deviceFeatures)) << 32 | UInt64(low))
  }

  func configuration<Value: FixedWidthInteger>(_ offset: UInt64, as _: Value.Type) -> Value {
    Value(
      truncatingIfNeeded: transport.read(
        offset: VirtioMMIO.Register.configuration + offset, byteCount: Value.bitWidth / 8))
  }

  /// Resets the device and agrees on `features`; false when the device refuses them.
  func negotiate(_ features: VirtioFeatures) -> Bool {
    write(VirtioMMIO.Register.status, 0)
    thread.run()
    rings = rings.map { _ in nil }
    self.features = features
    write(VirtioMMIO.Register.status, VirtioDeviceStatus.acknowledge.rawValue)
    write(VirtioMMIO.Register.status, (VirtioDeviceStatus.acknowledge | .driver).rawValue)
    for select in UInt32(0)...1 {
      write(VirtioMMIO.Register.driverFeaturesSelect, select)
      write(VirtioMMIO.Register.driverFeatures, features.word(select))
    }
    write(VirtioMMIO.Register.status, (status | .featuresOK).rawValue)
    return status.contains(.featuresOK)
  }

  /// Puts queue `index` at fresh addresses, or at those given, and switches it on.
  func setUpQueue(_ index: Int, size: UInt16 = 16, placement: ((inout Ring) -> Void)? = nil) throws {
    let layout = try #require(SplitRingLayout(queueSize: size))
    var ring = Ring(
      layout: layout, descriptorTable: allocate(Int(layout.descriptorTableByteCount)),
      availableRing: allocate(Int(layout.availableRingByteCount)), usedRing: allocate(Int(layout.usedRingByteCount)))
    placement?(&ring)
    write(VirtioMMIO.Register.queueSelect, UInt32(index))
    write(VirtioMMIO.Register.queueSize, UInt32(size))
    for (low, address) in [
      (VirtioMMIO.Register.queueDescriptorLow, ring.descriptorTable),
      (VirtioMMIO.Register.queueDriverLow, ring.availableRing), (VirtioMMIO.Register.queueDeviceLow, ring.usedRing),
    ] {
      write(low, UInt32(truncatingIfNeeded: address))
      write(low + 4, UInt32(truncatingIfNeeded: address >> 32))
    }
    write(VirtioMMIO.Register.queueReady, 1)
    rings[index] = ring
  }

  func start() {
    write(VirtioMMIO.Register.status, (status | .driverOK).rawValue)
    thread.run()
  }

  /// Everything from reset to DRIVER_OK.
  func bringUp(_ extra: VirtioFeatures = .none, size: UInt16 = 16) throws {
    try #require(negotiate(.version1 | extra))
    for index in rings.indices { try setUpQueue(index, size: size) }
    start()
    try #require(!needsReset)
  }

  func notify(_ queue: Int) {
    write(VirtioMMIO.Register.queueNotify, UInt32(queue))
    thread.run()
  }

  // MARK: Memory

  /// Fresh zeroed memory, on a page of its own.
  func allocate(_ byteCount: Int) -> UInt64 {
    let start = top
    top += UInt64((byteCount + 4095) & ~4095)
    if isReused { store([UInt8](repeating: 0, count: byteCount), start) }
    return start
  }

  /// Forgets what was allocated from `address` on; it is zeroed when allocated again.
  func rewind(to address: UInt64) {
    top = address
    isReused = true
  }

  // An address outside memory is a mistake of the test: told as its failure, with zeroes for an answer.

  func load<Value: BitwiseCopyable>(_: Value.Type, _ address: UInt64) -> Value {
    do { return try memory.load(Value.self, at: GuestAddress(address)) } catch {
      Issue.record(error)
      return withUnsafeTemporaryAllocation(byteCount: MemoryLayout<Value>.size, alignment: 16) { zeroes in
        zeroes.initializeMemory(as: UInt8.self, repeating: 0)
        return zeroes.load(as: Value.self)
      }
    }
  }

  func store<Value: BitwiseCopyable>(_ value: Value, _ address: UInt64) {
    do { try memory.store(value, at: GuestAddress(address)) } catch { Issue.record(error) }
  }

  func store(_ bytes: [UInt8], _ address: UInt64) {
    do {
      try memory.bytes(at: GuestAddress(address), byteCount: bytes.count).copyBytes(from: bytes)
    } catch { Issue.record(error) }
  }

  func bytes(_ address: UInt64, _ count: Int) -> [UInt8] {
    do { return try Array(memory.bytes(at: GuestAddress(address), byteCount: count)) } catch {
      Issue.record(error)
      return [UInt8](repeating: 0, count: count)
    }
  }

  // MARK: Rings

  func setDescriptor(
    _ queue: Int, _ index: UInt16, address: UInt64, byteCount: UInt32, flags: UInt16 = 0, next: UInt16 = 0
  ) {
    guard let ring = rings[queue] else { return }
    store(
      VirtqueueDescriptor(address: address, byteCount: byteCount, flags: flags, next: next),
      ring.descriptorTable + ring.layout.descriptorOffset(index))
  }

  /// Makes the chain that starts at `head` available.
  func publish(_ queue: Int, head: UInt16) {
    guard var ring = rings[queue] else { return }
    store(head, ring.availableRing + ring.layout.availableEntryOffset(ring.nextAvailable))
    ring.nextAvailable &+= 1
    store(ring.nextAvailable, ring.availableRing + SplitRingLayout.indexOffset)
    rings[queue] = ring
  }

  /// Makes a request of `buffers` available, with the next free descriptors, and returns its head. No doorbell.
  @discardableResult
  func add(_ queue: Int, _ buffers: [DriverBuffer], isIndirect: Bool = false) -> UInt16 {
    guard var ring = rings[queue] else { return 0 }
    let head = ring.layout.slot(ring.nextDescriptor)
    let table = isIndirect ? allocate(16 * buffers.count) : 0
    for (position, buffer) in buffers.enumerated() {
      let isLast = position == buffers.count - 1
      let flags =
        (buffer.isWritable ? VirtqueueDescriptor.Flag.write : 0) | (isLast ? 0 : VirtqueueDescriptor.Flag.next)
      if isIndirect {
        store(
          VirtqueueDescriptor(
            address: buffer.address, byteCount: buffer.byteCount, flags: flags, next: UInt16(position + 1)),
          table + 16 * UInt64(position))
      } else {
        let index = ring.layout.slot(ring.nextDescriptor &+ UInt16(position))
        setDescriptor(
          queue, index, address: buffer.address, byteCount: buffer.byteCount, flags: flags,
          next: ring.layout.slot(index &+ 1))
      }
    }
    if isIndirect {
      setDescriptor(
        queue, head, address: table, byteCount: UInt32(16 * buffers.count), flags: VirtqueueDescriptor.Flag.indirect)
    }
    ring.nextDescriptor &+= isIndirect ? 1 : UInt16(buffers.count)
    rings[queue] = ring
    publish(queue, head: head)
    return head
  }

  func usedIndex(_ queue: Int) -> UInt16 {
    load(UInt16.self, rings[queue]!.usedRing + SplitRingLayout.indexOffset)
  }

  /// What the device gave back since the last call.
  func takeUsed(_ queue: Int) -> [VirtqueueUsedElement] {
    guard var ring = rings[queue] else { return [] }
    var elements: [VirtqueueUsedElement] = []
    let end = usedIndex(queue)
    while ring.nextUsed != end {
      elements.append(load(VirtqueueUsedElement.self, ring.usedRing + ring.layout.usedElementOffset(ring.nextUsed)))
      ring.nextUsed &+= 1
    }
    rings[queue] = ring
    return elements
  }
}
