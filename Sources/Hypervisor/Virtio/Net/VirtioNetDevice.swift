import Synchronization
import VirtioLayout

/// A network card on the virtio bus (VIRTIO 1.3, section 5.1) with one queue pair, in front of a `NetworkBackend`.
///
/// Frames go out of guest memory by scatter list and come in by scatter list or one copy. The back end is called on the
/// device thread only; this class's own state is covered by the device's lock.
public final class VirtioNetDevice: VirtioDevice, @unchecked Sendable {
  private static let queueSize: UInt16 = 256
  /// Frames sent or dropped before other devices have their turn.
  private static let batch = 64

  /// What became of frames, since the device was made.
  public struct Counters: Equatable, Sendable {
    /// Frames given to the back end.
    public var sent = 0
    /// Frames given to the driver.
    public var received = 0
    /// Frames from the driver that were wrong, or that no back end could take.
    public var sendDropped = 0
    /// Frames from the back end that the driver has no room for, ever.
    public var receiveDropped = 0
  }

  private let backend: any NetworkBackend
  private let macAddress: MACAddress
  /// Constant after `init`: what the back end says may not change.
  public let features: VirtioFeatures
  private var session: VirtioSession?
  private var isLinkUp = true
  private var receivePath = NetworkReceivePath()
  private let storedCounters = Mutex(Counters())
  /// The device's lock, known from the first start on. Device thread only.
  private var lock: DeviceLock?

  /// The frame being sent; held while the back end is busy.
  private let sendChain = DescriptorChain()
  private var sendHeader = VirtioNetwork.Header()
  private var isSendPending = false
  private var isSending = false

  /// A card with `macAddress` whose cable ends in `backend`.
  public init(backend: any NetworkBackend, macAddress: MACAddress) {
    self.backend = backend
    self.macAddress = macAddress
    let offloads: VirtioFeatures =
      .networkChecksum | .networkHostTSO4 | .networkHostTSO6 | .networkGuestChecksum | .networkGuestTSO4
      | .networkGuestTSO6
    features =
      .networkMACAddress | .networkStatus | .networkMergeableBuffers | backend.offloads & offloads
      | (backend.maximumTransmissionUnit == nil ? .none : .networkMTU)
  }

  /// `VirtioDeviceID.network`.
  public var deviceID: UInt32 { VirtioDeviceID.network }
  /// "network".
  public var name: String { "network" }
  /// Receive and transmit.
  public var queueSizes: [UInt16] { [Self.queueSize, Self.queueSize] }

  /// Address, link state, MTU.
  public var configuration: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: VirtioNetwork.Configuration.byteCount)
    for (index, byte) in macAddress.bytes.enumerated() { bytes[index] = byte }
    bytes.store(isLinkUp ? VirtioNetwork.Configuration.linkUp : 0, at: VirtioNetwork.Configuration.status)
    bytes.store(UInt16(1), at: VirtioNetwork.Configuration.queuePairMaximum)
    bytes.store(backend.maximumTransmissionUnit ?? 0, at: VirtioNetwork.Configuration.maximumTransmissionUnit)
    return bytes
  }

  /// Segmentation needs the checksum offload of its direction (section 5.1.3.1).
  public func accepts(_ features: VirtioFeatures) -> Bool {
    let sends = features & (.networkHostTSO4 | .networkHostTSO6)
    let receives = features & (.networkGuestTSO4 | .networkGuestTSO6)
    return (sends == .none || features.contains(.networkChecksum))
      && (receives == .none || features.contains(.networkGuestChecksum))
  }

  /// Takes the driver's queues and connects the back end.
  public func start(_ session: VirtioSession) {
    self.session = session
    lock = session.lock
    receivePath.start(features: session.features, maximumTransmissionUnit: backend.maximumTransmissionUnit)
    session.queues[Int(VirtioNetwork.receiveQueue)]?.disableNotifications()
    backend.start(receiver: self, features: session.features & features)
  }

  /// Lets go of the queues; the back end is told on the device thread.
  public func stop() {
    guard let session else { return }
    self.session = nil
    isSendPending = false
    receivePath.stop()
    session.thread.post { [backend] in backend.stop() }
  }

  /// Frames to send, or buffers for a back end that waits for them.
  public func process(queue: Int) throws(VirtqueueError) {
    if queue == Int(VirtioNetwork.transmitQueue) { try send() } else { receiveBuffersAdded() }
  }

  /// What became of frames so far. Any thread.
  public var counters: Counters { storedCounters.withLock { $0 } }

  // MARK: Sending

  private func send() throws(VirtqueueError) {
    let index = Int(VirtioNetwork.transmitQueue)
    // The back end may call `transmitReady` from inside `transmit`.
    guard let session, let queue = session.queues[index], !isSending else { return }
    isSending = true
    defer { isSending = false }
    var budget = Self.batch
    repeat {
      queue.disableNotifications()
      while true {
        // Frames that are dropped count as well: a driver that adds them as fast as they are refused would otherwise
        // keep the device thread for itself.
        guard budget > 0 else {
          session.complete(queue)
          return session.processAgain(queue: index)
        }
        if !isSendPending {
          guard try queue.pop(into: sendChain) else { break }
          budget -= 1
          guard try parseSendChain(session.features) else {
            storedCounters.withLock { $0.sendDropped += 1 }
            queue.push(head: sendChain.head, byteCount: 0)
            continue
          }
          isSendPending = true
        }
        guard transmit() == .done else {
          // Goes on in `transmitReady`.
          return session.complete(queue)
        }
        // The back end may have ended the session from inside.
        guard self.session === session else { return }
        isSendPending = false
        storedCounters.withLock { $0.sent += 1 }
        queue.push(head: sendChain.head, byteCount: 0)
      }
      session.complete(queue)
    } while try queue.enableNotifications()
  }

  private func transmit() -> TransmitOutcome {
    // Safe: the list's pieces are checked guest memory and stay as they are during the call.
    let packet = unsafe OutgoingPacket(
      header: sendHeader, byteCount: sendChain.readable.byteCount, vectors: sendChain.readable.vectorsWithPrefix)
    return backend.transmit(packet)
  }

  /// Copies and checks the header, leaving the frame in `sendChain`. False for a frame that is to be dropped.
  private func parseSendChain(_ features: VirtioFeatures) throws(VirtqueueError) -> Bool {
    guard sendChain.writable.isEmpty else { throw .malformedRequest("device-writable buffer in the transmit queue") }
    guard let header = sendChain.readable.load(VirtioNetwork.Header.self, at: 0) else {
      throw .malformedRequest("transmitted packet without a header of 12 bytes")
    }
    sendChain.readable.removeFirst(VirtioNetwork.Header.byteCount)
    sendHeader = header
    sendHeader.flags = header.flags & VirtioNetwork.Flag.needsChecksum
    sendHeader.bufferCount = 0
    let byteCount = sendChain.readable.byteCount
    return (14...VirtioNetwork.largeFrameByteCount).contains(byteCount)
      && sendHeader.isConsistent(
        byteCount: byteCount, checksum: features.contains(.networkChecksum),
        tso4: features.contains(.networkHostTSO4), tso6: features.contains(.networkHostTSO6))
  }

  // MARK: Receiving

  private func receiveBuffersAdded() {
    guard let queue = session?.queues[Int(VirtioNetwork.receiveQueue)], receivePath.isWaiting else { return }
    receivePath.isWaiting = false
    queue.disableNotifications()
    backend.receiveBuffersAvailable()
  }

  /// Runs one step of the receive path with the driver's queue, on the device thread.
  private func withReceiveQueue(
    _ body: (Virtqueue) throws(VirtqueueError) -> ReceiveOutcome
  ) -> ReceiveOutcome {
    guard let lock else { return .noBuffers }
    return lock.withLock {
      let index = Int(VirtioNetwork.receiveQueue)
      guard let session, let queue = session.queues[index] else { return .noBuffers }
      do throws(VirtqueueError) {
        let outcome = try body(queue)
        if outcome == .delivered { storedCounters.withLock { $0.received += 1 } }
        if outcome == .dropped { storedCounters.withLock { $0.receiveDropped += 1 } }
        return outcome
      } catch {
        session.fail(queue: index, error)
        return .noBuffers
      }
    }
  }
}

extension VirtioNetDevice: NetworkReceiver {
  /// Copies a frame to the driver's buffers.
  public func deliver(header: VirtioNetwork.Header, frame: RawSpan) -> ReceiveOutcome {
    withReceiveQueue { queue throws(VirtqueueError) in
      try receivePath.deliver(header: header, frame: frame, to: queue)
    }
  }

  /// Lets `read` store a packet in the driver's buffers.
  public func receive(_ read: (borrowing ReceiveBuffers) -> Int) -> ReceiveOutcome {
    withReceiveQueue { queue throws(VirtqueueError) in try receivePath.receive(from: read, to: queue) }
  }

  /// Interrupts the driver for what was received.
  public func flush() {
    lock?.withLock {
      guard let session, let queue = session.queues[Int(VirtioNetwork.receiveQueue)] else { return }
      session.complete(queue)
    }
  }

  /// Goes on sending.
  public func transmitReady() {
    lock?.withLock {
      guard let session else { return }
      session.processAgain(queue: Int(VirtioNetwork.transmitQueue))
    }
  }

  /// Changes the link state and tells the driver.
  public func setLink(isUp: Bool) {
    lock?.withLock {
      guard isLinkUp != isUp else { return }
      isLinkUp = isUp
      session?.configurationChanged()
    }
  }
}

extension VirtioNetwork.Header {
  /// Whether a packet of `byteCount` bytes can carry this header, and it asks for nothing but what was agreed upon.
  func isConsistent(byteCount: Int, checksum: Bool, tso4: Bool, tso6: Bool) -> Bool {
    let needsChecksum = flags & VirtioNetwork.Flag.needsChecksum != 0
    if needsChecksum {
      guard checksum, Int(checksumStart) + Int(checksumOffset) + 2 <= byteCount else { return false }
    }
    switch segmentation & ~VirtioNetwork.Segmentation.congestionBit {
    case VirtioNetwork.Segmentation.none: return segmentation == VirtioNetwork.Segmentation.none
    case VirtioNetwork.Segmentation.tcp4: guard tso4 else { return false }
    case VirtioNetwork.Segmentation.tcp6: guard tso6 else { return false }
    default: return false
    }
    return needsChecksum && segmentByteCount > 0 && Int(headerByteCount) <= byteCount
  }
}
