import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The host side of a network card: where frames go to and come from (a TAP device, a socket, an in-process network).
///
/// Everything here is called on the device thread (the I/O event loop) and must not block. A back end may call its
/// `NetworkReceiver` at any time on that thread, also from inside `transmit`. Everything from the guest (frame bytes,
/// lengths within the limits given) is hostile and may change while it is read: copy, then parse.
public protocol NetworkBackend: AnyObject, Sendable {
  /// What the back end can do beyond plain frames, before the guest has chosen: any of `networkChecksum` (it takes
  /// frames with partial checksums), `networkHostTSO4`/`networkHostTSO6` (it takes TCP segments of up to 64 KiB),
  /// `networkGuestChecksum` (it can make frames with partial checksums) and `networkGuestTSO4`/`networkGuestTSO6` (it
  /// can make large segments). Constant. TSO needs the checksum bit of the same direction.
  var offloads: VirtioFeatures { get }

  /// Largest IP packet in bytes to announce to the guest (68...65,535), or nil to announce none (then it is 1,500).
  /// Constant.
  var maximumTransmissionUnit: UInt16? { get }

  /// The driver is ready. `features` is what it accepted of `offloads`: frames handed to `receiver` must need nothing
  /// else. Called again after a `stop`. The back end may hold on to `receiver` until `stop`.
  func start(receiver: any NetworkReceiver, features: VirtioFeatures)

  /// The driver reset the card, or the VM ends: forget the receiver and any frame that waits for it.
  func stop()

  /// Sends one frame. The packet is valid during the call only.
  func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome

  /// The receiver, having answered `noBuffers`, has buffers again: go on reading.
  func receiveBuffersAvailable()
}

/// What became of a frame given to `NetworkBackend.transmit`.
public enum TransmitOutcome: Sendable {
  /// Sent, queued or dropped: the card gives the buffer back to the guest.
  case done
  /// The back end cannot take it now. The card keeps the frame and sends nothing until `NetworkReceiver.transmitReady`.
  case busy
}

/// What became of a frame for the guest.
public enum ReceiveOutcome: Sendable {
  /// The guest has it (after `NetworkReceiver.flush` at the latest).
  case delivered
  /// The guest has too few buffers: nothing was taken; keep the frame, or let it wait in the host, until
  /// `NetworkBackend.receiveBuffersAvailable`.
  case noBuffers
  /// It can never be delivered (too large, or it needs an offload that the guest did not accept) and was dropped.
  case dropped
  /// `receive` only: the closure had no frame.
  case noPacket
}

/// The card, as its back end sees it. Device thread only.
public protocol NetworkReceiver: AnyObject, Sendable {
  /// Copies one frame (Ethernet header first, no check sequence) to the guest. `header.bufferCount` is ignored.
  func deliver(header: VirtioNetwork.Header, frame: RawSpan) -> ReceiveOutcome

  /// Lets `read` put one packet straight into the guest's buffers, header first (`readv` from a TAP device with a
  /// header of 12 bytes). `read` is not called when there are no buffers; it returns the bytes stored, header included,
  /// or 0 or less when there was no packet. The room suffices for any packet the guest agreed to. `read` must not call
  /// the receiver.
  func receive(_ read: (borrowing ReceiveBuffers) -> Int) -> ReceiveOutcome

  /// Interrupts the guest, if it wants that, for the frames since the last call. Call it after each burst of frames.
  func flush()

  /// The back end, having answered `busy`, takes frames again.
  func transmitReady()

  /// The cable was plugged in or out (it is in at the start).
  func setLink(isUp: Bool)
}

/// One frame on its way from the guest: its checked header and the pieces of guest memory that hold the frame.
@safe public struct OutgoingPacket: ~Copyable {
  /// The header, copied out of guest memory. It asks only for offloads that were agreed upon.
  public let header: VirtioNetwork.Header
  /// Bytes of the frame, without the header: 14...`VirtioNetwork.largeFrameByteCount`.
  public let byteCount: Int
  /// Element 0 is free for a prefix; the frame's pieces follow.
  private let vectors: UnsafeMutableBufferPointer<iovec>

  /// A packet whose pieces are `vectors` but the first, which is scratch space. All must stay valid during the value's
  /// life.
  @unsafe init(header: VirtioNetwork.Header, byteCount: Int, vectors: UnsafeMutableBufferPointer<iovec>) {
    self.header = header
    self.byteCount = byteCount
    unsafe self.vectors = vectors
  }

  /// Calls `body` with a scatter list for `writev`: `prefix` (a header of the back end's), then the frame.
  @unsafe public borrowing func withVectors<Result>(
    prefix: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<iovec>) -> Result
  ) -> Result {
    // Safe: element 0 always exists; writev does not write through the pointer.
    unsafe vectors[0] = iovec(iov_base: UnsafeMutableRawPointer(mutating: prefix.baseAddress), iov_len: prefix.count)
    return unsafe body(UnsafeBufferPointer(vectors))
  }

  /// Appends the frame to `bytes`: one copy, after which the guest cannot change it.
  public borrowing func appendFrame(to bytes: inout [UInt8]) {
    bytes.reserveCapacity(bytes.count + byteCount)
    // Safe: the pieces were checked to be guest memory when the card parsed the chain.
    for index in unsafe 1..<vectors.count {
      let piece = unsafe vectors[index]
      unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len))
    }
  }
}

/// Room for one packet on its way to the guest.
@safe public struct ReceiveBuffers: ~Copyable {
  private let vectors: UnsafeMutableBufferPointer<iovec>

  /// Room in `vectors`, the first of which takes the 12-byte header. All must stay valid during the value's life.
  @unsafe init(vectors: UnsafeMutableBufferPointer<iovec>) {
    unsafe self.vectors = vectors
  }

  /// Calls `body` with a scatter list for `readv`: 12 bytes for the header, then room for the frame.
  @unsafe public borrowing func withVectors<Result>(_ body: (UnsafeBufferPointer<iovec>) -> Result) -> Result {
    unsafe body(UnsafeBufferPointer(vectors))
  }
}
