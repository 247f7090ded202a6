import VirtioLayout

/// A network that gives every frame back to the card it came from: for measuring what a card and its driver cost.
///
/// Device thread only, as `NetworkBackend` says.
public final class EchoBackend: NetworkBackend, @unchecked Sendable {
  private var receiver: (any NetworkReceiver)?
  private var bytes: [UInt8] = []

  /// An echo without offloads.
  public init() {}

  /// Plain frames only.
  public var offloads: VirtioFeatures { .none }
  /// The usual 1,500.
  public var maximumTransmissionUnit: UInt16? { nil }

  /// Keeps the receiver.
  public func start(receiver: any NetworkReceiver, features: VirtioFeatures) { self.receiver = receiver }
  /// Forgets the receiver.
  public func stop() { receiver = nil }

  /// Gives the frame back at once; where the guest has no buffers it is lost, as on a wire.
  public func transmit(_ packet: borrowing OutgoingPacket) -> TransmitOutcome {
    bytes.removeAll(keepingCapacity: true)
    packet.appendFrame(to: &bytes)
    // Safe: the span does not outlive the call, in which nobody changes `bytes`.
    if unsafe receiver?.deliver(header: VirtioNetwork.Header(), frame: bytes.span.bytes) == .delivered {
      receiver?.flush()
    }
    return .done
  }

  /// Nothing waits here.
  public func receiveBuffersAvailable() {}
}
