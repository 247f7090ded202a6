import Synchronization
import VirtioLayout

/// What makes a virtio device a block device, a network card, ...: its features, its configuration space, and what it
/// does with requests. The transport does everything else. Calls come with the device's lock held.
public protocol VirtioDevice: AnyObject, Sendable {
  /// The kind of device, a `VirtioDeviceID`.
  var deviceID: UInt32 { get }
  /// What messages call it, for example "block".
  var name: String { get }
  /// What it offers besides the transport's own features. Constant.
  var features: VirtioFeatures { get }
  /// The largest size of each of its queues, powers of two. Constant.
  var queueSizes: [UInt16] { get }
  /// The configuration space as the driver reads it. Any thread.
  var configuration: [UInt8] { get }
  /// Whether a driver may choose `features`, a subset of what is offered. Any thread.
  func accepts(_ features: VirtioFeatures) -> Bool
  /// The driver is ready. Device thread; `process` follows for each queue.
  func start(_ session: VirtioSession)
  /// The driver rang the doorbell of a queue that is in use. Does a bounded amount of work. Device thread.
  func process(queue: Int) throws(VirtqueueError)
  /// The driver reset the device, did something wrong, or the VM ends: afterwards the device touches no guest memory.
  /// Any thread.
  func stop()
}

extension VirtioDevice {
  /// Any subset will do.
  public func accepts(_ features: VirtioFeatures) -> Bool { true }
}

extension [UInt8] {
  /// Stores an integer, little-endian, at `offset`, as configuration spaces hold it. All of it must be inside the
  /// array.
  mutating func store(_ value: some FixedWidthInteger & UnsignedInteger, at offset: UInt64) {
    for index in 0..<value.bitWidth / 8 {
      self[Int(offset) + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
    }
  }
}

/// The interrupt registers of a device. They have no lock, so that an interrupt handler never waits for I/O.
final class VirtioInterrupt: Sendable {
  private let bits = Atomic<UInt32>(0)
  private let line: any InterruptLine

  init(line: any InterruptLine) {
    self.line = line
  }

  /// The interrupt status register.
  var status: UInt32 { bits.load(ordering: .acquiring) }

  /// Sets bits and interrupts, even if they were set already: drivers of edge-triggered lines need not acknowledge.
  func raise(_ raised: UInt32) {
    bits.bitwiseOr(raised, ordering: .acquiringAndReleasing)
    line.raise()
  }

  /// Clears bits.
  func acknowledge(_ acknowledged: UInt32) {
    bits.bitwiseAnd(~acknowledged, ordering: .acquiringAndReleasing)
  }
}

/// One driver's use of a device, from DRIVER_OK to the next reset: what the device needs of its transport.
///
/// Used with the device's lock held; `@unchecked Sendable` because the compiler does not see that.
public final class VirtioSession: @unchecked Sendable {
  /// What the driver accepted.
  public let features: VirtioFeatures
  /// The device's lock, for entry points that the transport does not call.
  public let lock: DeviceLock
  /// Where `process` is called.
  public let thread: any DeviceThread
  /// The queues; nil for one that the driver does not use.
  let queues: [Virtqueue?]
  private let interrupt: VirtioInterrupt
  private weak let transport: VirtioMMIOTransport?

  init(
    features: VirtioFeatures, lock: DeviceLock, thread: any DeviceThread, queues: [Virtqueue?],
    interrupt: VirtioInterrupt, transport: VirtioMMIOTransport
  ) {
    self.features = features
    self.lock = lock
    self.thread = thread
    self.queues = queues
    self.interrupt = interrupt
    self.transport = transport
  }

  /// Publishes what was given back to `queue` and interrupts the driver if it wants that.
  func complete(_ queue: Virtqueue) {
    if queue.publishAndAskForInterrupt() { interrupt.raise(VirtioMMIO.Interrupt.usedBuffer) }
  }

  /// Has `process` called for a queue again after other work had its turn.
  func processAgain(queue: Int) {
    thread.post { [weak transport] in transport?.notify(queue: queue) }
  }

  /// Tells the driver that the configuration space changed.
  func configurationChanged() {
    transport?.configurationChanged()
  }

  /// Stops the device, as an error thrown by `process` does.
  func fail(queue: Int, _ error: VirtqueueError) {
    transport?.fail(queue: queue, error)
  }
}
