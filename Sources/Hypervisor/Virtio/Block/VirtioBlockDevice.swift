import Logging
import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A disk on the virtio bus (VIRTIO 1.3, section 5.2) whose sectors are those of a `DiskImage`.
///
/// No transfer is done on the device thread, which serves network, signals and timers, too. Reads, writes and flushes
/// go through an io_uring where the host has one; otherwise, and for what the ring refuses or does in part, for discard
/// and write-zeroes, a `DiskWorker` does them.
///
/// A flush that has ended covers every write that had ended before the driver made the flush available (section
/// 5.2.6): those are in the host's cache by then, and fdatasync(2), or the ring's IORING_OP_FSYNC, comes after that.
/// For a driver that did not accept flushes, a write has ended once it is durable.
public final class VirtioBlockDevice: VirtioDevice, @unchecked Sendable {
  private static let queueSize: UInt16 = 256
  /// Most requests under way at a time.
  private static let depth = 64
  /// Requests taken before other devices have their turn.
  private static let batch = 64

  private let image: any DiskStorage
  private let log: Logger
  /// The host's errors that were told; each is told once.
  private var toldErrors: Set<Errno> = []
  private let identifier: [UInt8]
  private let ring: IOURing?
  private var session: VirtioSession?
  /// The device's lock, known from the first start on. Device thread only.
  private var lock: DeviceLock?
  /// By tag; made when first needed.
  private var operations: [DiskOperation] = []
  private var free: [DiskOperation] = []
  /// Given to the ring, not yet submitted.
  private var prepared: [DiskOperation] = []
  /// Submitted to the ring, not yet complete.
  private var inFlightCount = 0
  private let worker = DiskWorker()
  /// The queue may hold requests that found no free operation.
  private var isStarved = false

  /// A disk of `image`. `identifier` (at most 20 bytes are used) is what the driver reads as its serial number.
  /// `usesIOURing` false, or a host without io_uring, has the worker do all transfers.
  public convenience init(
    image: DiskImage, identifier: String, usesIOURing: Bool = true, log: Logger = Logger(label: "xokvm.disk")
  ) {
    self.init(storage: image, identifier: identifier, usesIOURing: usesIOURing, log: log)
  }

  /// The same for any storage.
  init(
    storage: any DiskStorage, identifier: String, usesIOURing: Bool = true, log: Logger = Logger(label: "xokvm.disk")
  ) {
    image = storage
    self.log = log
    self.identifier = Array(identifier.utf8.prefix(VirtioBlock.idByteCount))
    ring = usesIOURing ? try? IOURing(depth: UInt32(Self.depth)) : nil
  }

  /// `VirtioDeviceID.block`.
  public var deviceID: UInt32 { VirtioDeviceID.block }
  /// "block".
  public var name: String { "block" }
  /// Whether an io_uring does the transfers.
  public var usesIOURing: Bool { ring != nil }

  /// Flush, sizes, topology; discard and write-zeroes unless the disk is read-only.
  public var features: VirtioFeatures {
    let common: VirtioFeatures = .blockSegmentMaximum | .blockSize | .blockFlush | .blockTopology
    return common | (image.isReadOnly ? .blockReadOnly : .blockDiscard | .blockWriteZeroes)
  }

  /// One request queue.
  public var queueSizes: [UInt16] { [Self.queueSize] }

  /// Capacity and limits.
  public var configuration: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: VirtioBlock.Configuration.byteCount)
    bytes.store(image.sectorCount, at: VirtioBlock.Configuration.capacity)
    // A chain without an indirect table holds the data's segments, the header and the status.
    bytes.store(UInt32(Self.queueSize - 2), at: VirtioBlock.Configuration.segmentMaximum)
    bytes.store(UInt32(512), at: VirtioBlock.Configuration.blockSize)
    bytes.store(UInt8(3), at: VirtioBlock.Configuration.physicalBlockExponent)
    bytes.store(UInt16(8), at: VirtioBlock.Configuration.minimumTransfer)
    bytes.store(UInt16(1), at: VirtioBlock.Configuration.queueCount)
    if !image.isReadOnly {
      bytes.store(BlockRequest.maximumDiscardSectors, at: VirtioBlock.Configuration.discardSectorMaximum)
      bytes.store(UInt32(BlockRequest.maximumRangeCount), at: VirtioBlock.Configuration.discardSegmentMaximum)
      bytes.store(UInt32(8), at: VirtioBlock.Configuration.discardSectorAlignment)
      bytes.store(BlockRequest.maximumWriteZeroesSectors, at: VirtioBlock.Configuration.writeZeroesSectorMaximum)
      bytes.store(UInt32(BlockRequest.maximumRangeCount), at: VirtioBlock.Configuration.writeZeroesSegmentMaximum)
      bytes.store(UInt8(1), at: VirtioBlock.Configuration.writeZeroesMayUnmap)
    }
    return bytes
  }

  /// Takes the driver's queue.
  public func start(_ session: VirtioSession) {
    self.session = session
    lock = session.lock
  }

  /// Waits for the requests under way and lets go of the queue.
  public func stop() {
    session = nil
    submit(nil)
    // The host may still write to guest memory for them.
    while inFlightCount > 0, let ring, ring.wait() { reap() }
    worker.cancel()
    reap()
    free = operations
    isStarved = false
  }

  // MARK: Requests

  /// Takes and begins the requests that wait.
  public func process(queue index: Int) throws(VirtqueueError) {
    guard let session, let queue = session.queues[index] else { return }
    var budget = Self.batch
    repeat {
      queue.disableNotifications()
      ring?.isMuted = true
      while true {
        guard let operation = takeOperation() else {
          isStarved = true
          break
        }
        let isTaken = try queue.pop(into: operation.chain)
        guard isTaken else {
          free.append(operation)
          break
        }
        let parsed = try BlockRequest.parse(
          operation.chain, sectorCount: image.sectorCount, isReadOnly: image.isReadOnly, features: session.features)
        operation.request = parsed.request
        operation.status = parsed.status
        begin(operation, session)
        budget -= 1
        if budget == 0 { break }
      }
      submit(session)
      reap()
      listen()
      session.complete(queue)
      if budget == 0 { return session.processAgain(queue: index) }
      // Starved with nothing freed since: a completion goes on.
      if isStarved && free.isEmpty { return }
      isStarved = false
    } while try queue.enableNotifications()
  }

  /// The event of `completionDescriptor`: gives requests back that the host finished in the background. Device thread.
  public func completionsReady() {
    ring?.clearEvent()
    lock?.withLock {
      guard let session, let queue = session.queues[0] else { return }
      reap()
      listen()
      session.complete(queue)
      if isStarved {
        isStarved = false
        session.processAgain(queue: 0)
      }
    }
  }

  /// What the event loop watches for reading, to call `completionsReady`; nil without a ring. What the worker has done
  /// is posted to the device thread.
  public var completionDescriptor: Int32? { ring?.event.rawValue }

  private func takeOperation() -> DiskOperation? {
    if let operation = free.popLast() { return operation }
    guard operations.count < Self.depth else { return nil }
    let operation = DiskOperation(tag: UInt64(operations.count))
    operations.append(operation)
    return operation
  }

  // MARK: Execution

  private func begin(_ operation: DiskOperation, _ session: VirtioSession) {
    operation.byteCount = 0
    switch operation.request {
    case .read(let range):
      operation.byteCount = Int(range.byteCount)
      operation.position = range.offset
      if !enqueue(operation) { hand(operation, session) }
    case .write(let range):
      operation.position = range.offset
      // A driver that did not accept flush requests expects finished writes to be durable.
      if !session.features.contains(.blockFlush) || !enqueue(operation) { hand(operation, session) }
    case .flush:
      if !enqueue(operation) { hand(operation, session) }
    case .identify:
      let bytes = identifier + [UInt8](repeating: 0, count: VirtioBlock.idByteCount - identifier.count)
      // Safe: the array lives for the duration of the call.
      unsafe bytes.withUnsafeBytes { _ = unsafe operation.chain.writable.store($0, at: 0) }
      operation.byteCount = bytes.count
      finish(operation, status: VirtioBlock.Status.ok)
    case .discard, .writeZeroes:
      hand(operation, session)
    case .refuse(let status):
      finish(operation, status: status)
    }
  }

  /// Gives a read, write or flush to the ring; false when there is none or it is full.
  private func enqueue(_ operation: DiskOperation) -> Bool {
    guard let ring, let file = image.file else { return false }
    let request: IOURing.Operation
    switch operation.request {
    case .read: unsafe request = .read(operation.chain.writable.vectors, offset: operation.position)
    case .write: unsafe request = .write(operation.chain.readable.vectors, offset: operation.position)
    case .flush: unsafe request = .synchronizeData
    default: return false
    }
    // Safe: the chain's pieces are guest memory, mapped as long as the device; the list stays as it is until the
    // completion.
    guard unsafe ring.prepare(request, file: file, tag: operation.tag) else { return false }
    prepared.append(operation)
    return true
  }

  /// Starts what was given to the ring. What the ring does not take is the worker's.
  private func submit(_ session: VirtioSession?) {
    guard let ring, !prepared.isEmpty else { return }
    let refused = ring.submit()
    inFlightCount += prepared.count - refused
    for operation in prepared.suffix(refused) {
      if let session { hand(operation, session) } else { finish(operation, status: VirtioBlock.Status.ioError) }
    }
    prepared.removeAll(keepingCapacity: true)
  }

  /// Finishes what ring and worker completed.
  private func reap() {
    for result in worker.takeResults() {
      guard let index = Int(exactly: result.tag), operations.indices.contains(index) else { continue }
      finish(operations[index], result.error)
    }
    ring?.reap { tag, result in
      inFlightCount -= 1
      guard let index = Int(exactly: tag), operations.indices.contains(index) else { return }
      complete(operations[index], result)
    }
  }

  /// Has the event loop told of completions, while there is something to wait for.
  private func listen() {
    guard let ring, ring.isMuted != (inFlightCount == 0) else { return }
    ring.isMuted = inFlightCount == 0
    if inFlightCount > 0 { reap() }
  }

  private func complete(_ operation: DiskOperation, _ result: Int32) {
    let list: ScatterList
    switch operation.request {
    case .read: list = operation.chain.writable
    case .write: list = operation.chain.readable
    default:
      return result < 0
        ? fail(operation, Errno(rawValue: -result)) : finish(operation, status: VirtioBlock.Status.ok)
    }
    if result > 0 {
      list.removeFirst(Int(result))
      operation.position += Int64(result)
    }
    if result > 0 && list.isEmpty {
      finish(operation, status: VirtioBlock.Status.ok)
    } else if let session, result > 0 || result == -EINTR || result == -EAGAIN {
      // Short, which is rare for files: the rest is the worker's.
      hand(operation, session)
    } else {
      // No byte of a file where there was one when it was opened: somebody has cut the file.
      fail(operation, result < 0 ? Errno(rawValue: -result) : .ioError)
    }
  }

  /// Has the worker do the operation, or what is left of it. Without a thread for it, it is done here and now.
  private func hand(_ operation: DiskOperation, _ session: VirtioSession) {
    let isDurable = !session.features.contains(.blockFlush)
    let work = { [image] () throws(Errno) in try operation.execute(on: image, isDurable: isDurable) }
    let finished = { [weak self, thread = session.thread] in
      guard let device = self else { return }
      thread.post { [weak device] in device?.completionsReady() }
    }
    guard !worker.begin(DiskWorker.Job(tag: operation.tag, work: work, finished: finished)) else { return }
    do throws(Errno) {
      try work()
      finish(operation, nil)
    } catch {
      finish(operation, error)
    }
  }

  private func finish(_ operation: DiskOperation, _ error: Errno?) {
    if let error { fail(operation, error) } else { finish(operation, status: VirtioBlock.Status.ok) }
  }

  /// Tells the guest that its request failed, and the user why: the guest is not told that.
  private func fail(_ operation: DiskOperation, _ error: Errno) {
    finish(operation, status: VirtioBlock.Status.ioError)
    // After a reset nobody asks for it any more.
    guard session != nil else { return }
    guard toldErrors.insert(error).inserted else { return }
    if image.hasShrunk {
      log.warning("the disk \(image.path) has become shorter than it was at the start: what is missing cannot be read")
    } else {
      log.warning("the disk \(image.path) failed (\(error)): the guest was told of an error")
    }
  }

  /// Stores the status and gives the request back, unless the driver is gone.
  private func finish(_ operation: DiskOperation, status: UInt8) {
    if let session, let queue = session.queues[0] {
      // The driver is told that all of a read's buffer was written; after an error the rest holds zeroes.
      if case .read = operation.request, status != VirtioBlock.Status.ok { operation.chain.writable.fillWithZeroes() }
      operation.status?.store(status)
      queue.push(head: operation.chain.head, byteCount: operation.byteCount + 1)
    }
    free.append(operation)
  }
}
