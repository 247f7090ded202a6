import CKVM
import Logging
import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A TAP device of the host: frames enter and leave the host's own network stack, whose checksum and segmentation
/// offloads the guest uses as it accepts them. The header that the guest sees is the one that the device speaks. When
/// the device is deleted, or fails otherwise, the link goes down and stays down: its descriptor would report errors for
/// ever. Made before its loop runs or on the loop's thread, and dropped there or after the loop has ended.
public final class TapBackend: NetworkBackend, @unchecked Sendable {
  // Sendable: used by the device thread only.
  private let tap: TapDescriptor
  private let loop: EventLoop
  private let log: Logger
  private var receiver: (any NetworkReceiver)?
  private var interest: EventLoop.Interest = []
  /// Why the link is down.
  public private(set) var failure: TapError?

  /// Frames read per wake-up, so that other devices get their turn.
  private static let burst = 64

  /// All that TAP devices offer.
  public let offloads: VirtioFeatures =
    .networkChecksum | .networkHostTSO4 | .networkHostTSO6 | .networkGuestChecksum | .networkGuestTSO4
    | .networkGuestTSO6

  /// The device's own, as it was when it was attached to.
  public let maximumTransmissionUnit: UInt16?

  /// Attaches to the existing TAP device `name`, which `loop` will watch. Failures later on go to `log`.
  public init(name: String, loop: EventLoop, log: Logger = Logger(label: "xokvm.network")) throws(TapError) {
    tap = try TapDescriptor(name: name)
    self.loop = loop
    self.log = log
    maximumTransmissionUnit = tap.maximumTransmissionUnit
    do throws(EventLoopError) {
      try loop.register(
        tap.rawValue, readable: { [weak self] in self?.receive() }, writable: { [weak self] in self?.writable() })
      try loop.update(tap.rawValue, interest: [])
    } catch {
      let errno = if case .cannotRegister(_, let errno) = error { errno } else { Errno.noMemory }
      throw .failed(name, operation: "watching", errno)
    }
  }

  deinit {
    loop.unregister(tap.rawValue)
  }

  /// Begins to carry frames that need no more than `features`.
  public func start(receiver: any NetworkReceiver, features: VirtioFeatures) {
    self.receiver = receiver
    guard failure == nil else { return receiver.setLink(isUp: false) }
    var accepted = 0
    if features.contains(.networkGuestChecksum) {
      accepted |= Int(TUN_F_CSUM)
      if features.contains(.networkGuestTSO4) { accepted |= Int(TUN_F_TSO4) }
      if features.contains(.networkGuestTSO6) { accepted |= Int(TUN_F_TSO6) }
    }
    do throws(TapError) {
      try tap.setOffloads(accepted)
    } catch {
      // The offloads were refused, so frames might come that the guest cannot take: none at all is the honest answer.
      return fail(error)
    }
    watch([.readable])
  }

  /// Carries no more frames; those that come wait in the host, as far as it keeps them. What becomes of the device
  /// meanwhile shows at the next start.
  public func stop() {
    receiver = nil
    watch([])
  }

  /// Writes the frame to the device. One that the device refuses is dropped, as on a wire: the device may be down.
  public func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    guard failure == nil else { return .done }
    var header = packet.header
    header.bufferCount = 0
    // Safe: the header and the packet's pieces stay valid during the calls; the kernel reads each byte once.
    let count = unsafe withUnsafeBytes(of: &header) { prefix in
      unsafe packet.withVectors(prefix: prefix) { vectors in
        retryingWhenInterrupted { unsafe writev(tap.rawValue, vectors.baseAddress, Int32(vectors.count)) }
      }
    }
    guard count < 0 else { return .done }
    switch Errno(rawValue: errno) {
    case .wouldBlock, .resourceTemporarilyUnavailable:
      watch(interest.union(.writable))
      return .busy
    // The descriptor has lost its device.
    case let errno where errno.rawValue == EBADFD: fail("writing", errno)
    // The device is down, or refuses the frame.
    default: break
    }
    return .done
  }

  /// Goes on reading.
  public func receiveBuffersAvailable() {
    if receiver != nil, failure == nil { watch(interest.union(.readable)) }
  }

  private func writable() {
    watch(interest.subtracting(.writable))
    receiver?.transmitReady()
  }

  private func receive() {
    guard let receiver else { return watch([]) }
    defer { receiver.flush() }
    for _ in 0..<TapBackend.burst {
      var reason: Errno?
      let outcome = receiver.receive { buffers in
        // Safe: the buffers are valid during the call.
        let count = unsafe buffers.withVectors { vectors in
          retryingWhenInterrupted { unsafe readv(tap.rawValue, vectors.baseAddress, Int32(vectors.count)) }
        }
        if count < 0, errno != EAGAIN { reason = Errno(rawValue: errno) }
        return count
      }
      // Reading again would fail again, and the descriptor would stay readable.
      if let reason { return fail("reading", reason) }
      switch outcome {
      case .delivered, .dropped: continue
      case .noPacket: return
      case .noBuffers: return watch(interest.subtracting(.readable))
      }
    }
  }

  private func fail(_ operation: String, _ errno: Errno) {
    // Safe: the string lives for the duration of the call.
    let exists = unsafe if_nametoindex(tap.name) != 0
    fail(exists ? .failed(tap.name, operation: operation, errno) : .deleted(tap.name))
  }

  /// Takes the link down and says why, once.
  private func fail(_ error: TapError) {
    guard failure == nil else { return }
    failure = error
    log.error("\(error)")
    watch([])
    receiver?.setLink(isUp: false)
    // Frames that the card holds back are let go, to be dropped.
    receiver?.transmitReady()
  }

  private func watch(_ new: EventLoop.Interest) {
    guard new != interest else { return }
    do throws(EventLoopError) {
      try loop.update(tap.rawValue, interest: new)
      interest = new
    } catch {
      // Out of memory in the host: without wake-ups nothing can be carried.
      interest = []
      fail(.failed(tap.name, operation: "watching", .noMemory))
    }
  }
}

/// The result of a system call, repeated while signals interrupt it.
func retryingWhenInterrupted(_ call: () -> Int) -> Int {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}
