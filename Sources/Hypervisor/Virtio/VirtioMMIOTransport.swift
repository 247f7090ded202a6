import Logging
import VirtioLayout

/// The registers of one virtio device on the MMIO bus, version 2 (VIRTIO 1.3, section 4.2), and the life of the device
/// behind them.
///
/// Ownership: the device's lock covers everything here but the interrupt registers (atomics) and the doorbell (posted
/// to the device thread). The device's queues are worked on by the device thread with the lock held, so a reset on a
/// vCPU thread returns only when the device has let go of guest memory.
public final class VirtioMMIOTransport: MMIODevice, @unchecked Sendable {
  /// Where the driver's doorbell writes go, for an ioeventfd: a write of `value` of `byteCount` bytes at `offset`.
  public struct Doorbell: Equatable, Sendable {
    /// From the window's start.
    public let offset: UInt64
    /// Bytes of the access.
    public let byteCount: Int
    /// The value that names the queue.
    public let value: UInt64
  }

  /// The device behind the registers.
  public let device: any VirtioDevice
  let lock = DeviceLock()
  private let memory: GuestMemory
  private let thread: any DeviceThread
  private let interrupt: VirtioInterrupt
  private let offered: VirtioFeatures
  private let queueSizes: [UInt16]
  private let logger: Logger

  private var status = VirtioDeviceStatus.reset
  private var accepted = VirtioFeatures.none
  private var deviceFeaturesSelect: UInt32 = 0
  private var driverFeaturesSelect: UInt32 = 0
  private var queueSelect: UInt32 = 0
  private var configurations: [Virtqueue.Configuration]
  private var queues: [Virtqueue?]
  private var generation: UInt32 = 0
  private var session: VirtioSession?
  private var isStarted = false
  private var errorCount = 0

  /// Why the device needs a reset, or nil. Any thread.
  public var failure: VirtqueueError? { lock.withLock { storedFailure } }
  private var storedFailure: VirtqueueError?

  /// Puts `device` behind registers. `line` is raised for its interrupts, `thread` runs it.
  public init(
    device: any VirtioDevice, memory: GuestMemory, line: any InterruptLine, thread: any DeviceThread,
    logger: Logger = Logger(label: "xokvm.virtio")
  ) {
    self.device = device
    self.memory = memory
    self.thread = thread
    self.logger = logger
    interrupt = VirtioInterrupt(line: line)
    offered = device.features | .version1 | .eventIndex | .indirectDescriptors
    queueSizes = device.queueSizes
    configurations = queueSizes.map { _ in Virtqueue.Configuration() }
    queues = queueSizes.map { _ in nil }
  }

  /// The doorbells of all queues, in order.
  public var doorbells: [Doorbell] {
    queueSizes.indices.map {
      Doorbell(offset: VirtioMMIO.Register.queueNotify, byteCount: 4, value: UInt64($0))
    }
  }

  /// The doorbell of `queue` rang. Device thread.
  public func notify(queue: Int) {
    lock.withLock {
      guard isStarted, let session, session.queues.indices.contains(queue), session.queues[queue] != nil else { return }
      do throws(VirtqueueError) {
        try device.process(queue: queue)
      } catch {
        fail(queue: queue, error)
      }
    }
  }

  /// Stops the device for good: the VM ends. Any thread.
  public func shutDown() {
    lock.withLock { reset() }
  }

  // MARK: Registers

  /// Reads a register or configuration space. Any thread. Accesses that the specification forbids read as zero.
  public func read(offset: UInt64, byteCount: Int) -> UInt64 {
    if offset >= VirtioMMIO.Register.configuration {
      return readConfiguration(offset: offset - VirtioMMIO.Register.configuration, byteCount: byteCount)
    }
    guard byteCount == 4, offset % 4 == 0 else { return 0 }
    if offset == VirtioMMIO.Register.interruptStatus { return UInt64(interrupt.status) }
    return lock.withLock { UInt64(register(offset)) }
  }

  /// Writes a register. Any thread. Accesses that the specification forbids change nothing; no device of ours has
  /// configuration fields that can be written.
  public func write(offset: UInt64, byteCount: Int, value: UInt64) {
    guard byteCount == 4, offset % 4 == 0, offset < VirtioMMIO.Register.configuration else { return }
    let value = UInt32(truncatingIfNeeded: value)
    switch offset {
    case VirtioMMIO.Register.interruptAcknowledge:
      interrupt.acknowledge(value)
    case VirtioMMIO.Register.queueNotify:
      guard value < queueSizes.count else { return }
      thread.post { [weak self] in self?.notify(queue: Int(value)) }
    default:
      lock.withLock { setRegister(offset, value) }
    }
  }

  private func readConfiguration(offset: UInt64, byteCount: Int) -> UInt64 {
    let bytes = lock.withLock { device.configuration }
    var value: UInt64 = 0
    for index in 0..<min(max(byteCount, 0), 8) {
      guard let position = Int(exactly: offset), position < bytes.count - index else { break }
      value |= UInt64(bytes[position + index]) << UInt64(8 * index)
    }
    return value
  }

  private func register(_ offset: UInt64) -> UInt32 {
    switch offset {
    case VirtioMMIO.Register.magicValue: VirtioMMIO.magic
    case VirtioMMIO.Register.version: VirtioMMIO.version
    case VirtioMMIO.Register.deviceID: device.deviceID
    case VirtioMMIO.Register.vendorID: VirtioMMIO.vendorID
    case VirtioMMIO.Register.deviceFeatures: offered.word(deviceFeaturesSelect)
    case VirtioMMIO.Register.queueSizeMaximum: selectedQueue.map { UInt32(queueSizes[$0]) } ?? 0
    case VirtioMMIO.Register.queueReady: selectedQueue.map { queues[$0] == nil ? 0 : 1 } ?? 0
    case VirtioMMIO.Register.status: status.rawValue
    // There are no shared memory regions: all ones.
    case VirtioMMIO.Register.sharedMemoryLengthLow, VirtioMMIO.Register.sharedMemoryLengthHigh,
      VirtioMMIO.Register.sharedMemoryBaseLow, VirtioMMIO.Register.sharedMemoryBaseHigh:
      .max
    case VirtioMMIO.Register.configurationGeneration: generation
    default: 0
    }
  }

  private var selectedQueue: Int? { queueSelect < queueSizes.count ? Int(queueSelect) : nil }

  private func setRegister(_ offset: UInt64, _ value: UInt32) {
    switch offset {
    case VirtioMMIO.Register.deviceFeaturesSelect: deviceFeaturesSelect = value
    case VirtioMMIO.Register.driverFeaturesSelect: driverFeaturesSelect = value
    case VirtioMMIO.Register.driverFeatures: setDriverFeatures(value)
    case VirtioMMIO.Register.queueSelect: queueSelect = value
    case VirtioMMIO.Register.queueReady: setQueueReady(value)
    case VirtioMMIO.Register.status: setStatus(VirtioDeviceStatus(rawValue: value))
    default: setQueueRegister(offset, value)
    }
  }

  private func setQueueRegister(_ offset: UInt64, _ value: UInt32) {
    // Where a queue is can be changed only while it is not in use.
    guard let queue = selectedQueue, queues[queue] == nil else { return }
    func setLow(_ word: inout UInt64) { word = word & ~0xffff_ffff | UInt64(value) }
    func setHigh(_ word: inout UInt64) { word = word & 0xffff_ffff | UInt64(value) << 32 }
    switch offset {
    case VirtioMMIO.Register.queueSize: configurations[queue].size = value
    case VirtioMMIO.Register.queueDescriptorLow: setLow(&configurations[queue].descriptorTable)
    case VirtioMMIO.Register.queueDescriptorHigh: setHigh(&configurations[queue].descriptorTable)
    case VirtioMMIO.Register.queueDriverLow: setLow(&configurations[queue].availableRing)
    case VirtioMMIO.Register.queueDriverHigh: setHigh(&configurations[queue].availableRing)
    case VirtioMMIO.Register.queueDeviceLow: setLow(&configurations[queue].usedRing)
    case VirtioMMIO.Register.queueDeviceHigh: setHigh(&configurations[queue].usedRing)
    default: break
    }
  }

  private func setDriverFeatures(_ value: UInt32) {
    // Once agreed upon, features do not change before a reset.
    guard !status.contains(.featuresOK) else { return }
    switch driverFeaturesSelect {
    case 0: accepted = VirtioFeatures(rawValue: accepted.rawValue & ~0xffff_ffff | UInt64(value))
    case 1: accepted = VirtioFeatures(rawValue: accepted.rawValue & 0xffff_ffff | UInt64(value) << 32)
    default: break
    }
  }

  // MARK: The device's life

  private func setStatus(_ written: VirtioDeviceStatus) {
    guard written != .reset else { return reset() }
    // A driver only ever adds bits, and NEEDS_RESET is ours.
    let added = written - status - .needsReset
    status = status | (added - .featuresOK - .driverOK)
    if added.contains(.failed) { stopDevice() }
    if added.contains(.featuresOK) {
      // Left clear when the device cannot work with the choice; the driver reads it back.
      guard offered.contains(accepted), accepted.contains(.version1), device.accepts(accepted) else { return }
      status = status | .featuresOK
    }
    if added.contains(.driverOK) {
      guard status.contains(.featuresOK) else { return fail(.invalidSequence("DRIVER_OK without FEATURES_OK")) }
      guard !status.contains(.needsReset), !status.contains(.failed) else { return }
      status = status | .driverOK
      start()
    }
  }

  private func setQueueReady(_ value: UInt32) {
    guard let queue = selectedQueue else { return }
    guard value & 1 == 1 else {
      if queues[queue] != nil, session != nil {
        return fail(queue: queue, .invalidSequence("queue switched off while the device runs"))
      }
      return queues[queue] = nil
    }
    guard queues[queue] == nil else { return }
    guard status.contains(.featuresOK), !status.contains(.driverOK) else {
      return fail(queue: queue, .invalidSequence("queue switched on before FEATURES_OK or after DRIVER_OK"))
    }
    do throws(VirtqueueError) {
      queues[queue] = try Virtqueue(
        memory: memory, configuration: configurations[queue], maximumSize: queueSizes[queue], features: accepted)
    } catch {
      fail(queue: queue, error)
    }
  }

  private func start() {
    let session = VirtioSession(
      features: accepted, lock: lock, thread: thread, queues: queues, interrupt: interrupt, transport: self)
    self.session = session
    thread.post { [weak self] in self?.start(session) }
  }

  /// Starts the device on its own thread, unless the driver changed its mind meanwhile.
  private func start(_ session: VirtioSession) {
    lock.withLock {
      guard self.session === session, !isStarted else { return }
      isStarted = true
      device.start(session)
      // Requests may have come in before the device looked.
      for queue in queueSizes.indices { notify(queue: queue) }
    }
  }

  private func stopDevice() {
    session = nil
    guard isStarted else { return }
    isStarted = false
    device.stop()
  }

  private func reset() {
    stopDevice()
    status = .reset
    accepted = .none
    deviceFeaturesSelect = 0
    driverFeaturesSelect = 0
    queueSelect = 0
    storedFailure = nil
    for queue in queueSizes.indices {
      queues[queue] = nil
      configurations[queue] = Virtqueue.Configuration()
    }
    interrupt.acknowledge(.max)
  }

  /// The driver did something wrong with a queue, or (nil) in general: stops the device until a reset.
  func fail(queue: Int? = nil, _ error: VirtqueueError) {
    lock.withLock {
      guard !status.contains(.needsReset) else { return }
      stopDevice()
      storedFailure = error
      status = status | .needsReset
      // A guest that fails on purpose, again and again, shall not fill the log.
      errorCount += 1
      if errorCount <= 8 {
        let place = queue.map { " queue \($0)" } ?? ""
        logger.warning("virtio \(device.name)\(place): \(error); the device needs a reset by its driver")
      }
      if status.contains(.driverOK) { interrupt.raise(VirtioMMIO.Interrupt.configurationChange) }
    }
  }

  /// The device's configuration space changed.
  func configurationChanged() {
    lock.withLock {
      generation &+= 1
      if status.contains(.driverOK) { interrupt.raise(VirtioMMIO.Interrupt.configurationChange) }
    }
  }
}
