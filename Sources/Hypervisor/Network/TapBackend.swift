import CKVM
import SystemPackage
import VirtioLayout

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A TAP device of the host: frames enter and leave the host's own network stack, whose checksum and segmentation offloads the guest
/// uses as it accepts them. The header that the guest sees is the one that the device speaks.
/// Made before its loop runs or on the loop's thread, and dropped there or after the loop has ended.
public final class TapBackend: NetworkBackend, @unchecked Sendable {
  // Sendable: used by the device thread only.
  private let tap: TapDescriptor
  private let loop: EventLoop
  private var receiver: (any NetworkReceiver)?
  private var interest: EventLoop.Interest = []

  /// Frames read per wake-up, so that other devices get their turn.
  private static let burst = 64

  /// All that TAP devices offer.
  public let offloads: VirtioFeatures =
    .networkChecksum | .networkHostTSO4 | .networkHostTSO6 | .networkGuestChecksum | .networkGuestTSO4
    | .networkGuestTSO6

  /// The device's own, as it was when it was attached to.
  public let maximumTransmissionUnit: UInt16?

  /// Attaches to the existing TAP device `name`, which `loop` will watch.
  public init(name: String, loop: EventLoop) throws(TapError) {
    tap = try TapDescriptor(name: name)
    self.loop = loop
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
      receiver.setLink(isUp: false)
      return
    }
    self.receiver = receiver
    watch([.readable])
  }

  /// Carries no more frames; those that come wait in the host, as far as it keeps them.
  public func stop() {
    receiver = nil
    watch([])
  }

  /// Writes the frame to the device. One that the device refuses is dropped, as on a wire: the device may be down.
  public func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    var header = packet.header
    header.bufferCount = 0
    // Safe: the header and the packet's pieces stay valid during the calls; the kernel reads each byte once.
    let count = unsafe withUnsafeBytes(of: &header) { prefix in
      unsafe packet.withVectors(prefix: prefix) { vectors in
        retryingWhenInterrupted { unsafe writev(tap.rawValue, vectors.baseAddress, Int32(vectors.count)) }
      }
    }
    if count < 0, errno == EAGAIN {
      watch(interest.union(.writable))
      return .busy
    }
    return .done
  }

  /// Goes on reading.
  public func receiveBuffersAvailable() {
    if receiver != nil { watch(interest.union(.readable)) }
  }

  private func writable() {
    watch(interest.subtracting(.writable))
    receiver?.transmitReady()
  }

  private func receive() {
    guard let receiver else { return watch([]) }
    defer { receiver.flush() }
    for _ in 0..<TapBackend.burst {
      let outcome = receiver.receive { buffers in
        // Safe: the buffers are valid during the call.
        unsafe buffers.withVectors { vectors in
          retryingWhenInterrupted { unsafe readv(tap.rawValue, vectors.baseAddress, Int32(vectors.count)) }
        }
      }
      switch outcome {
      case .delivered, .dropped: continue
      case .noPacket: return
      case .noBuffers: return watch(interest.subtracting(.readable))
      }
    }
  }

  private func watch(_ new: EventLoop.Interest) {
    guard new != interest else { return }
    do throws(EventLoopError) {
      try loop.update(tap.rawValue, interest: new)
      interest = new
    } catch {
      // Out of memory in the host: without wake-ups nothing can be carried.
      receiver?.setLink(isUp: false)
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
