/// A TCP/IP stack over one Ethernet link: a state machine without I/O and without a clock.
///
/// The owner calls `receive` with every frame that arrives, `poll` after a batch of frames or calls and whenever
/// `nextDeadline` has come, and takes what the stack sends through `link`. It is used by one thread at a time.
/// The protocol logic is in `ProtocolEngine`, which is not generic; this class only adds the way out.
public final class NetworkStack<Link: PacketLink>: ProtocolEngine {
  /// The output side. It must not be touched from within its own `send`.
  public var link: Link

  /// Makes a stack. `seed` keys sequence numbers and ports and should be random; tests give a fixed one.
  public init(
    link: Link, hardwareAddress: MACAddress, addressing: Addressing,
    configuration: StackConfiguration = StackConfiguration(), seed: (UInt64, UInt64)
  ) {
    self.link = link
    super.init(
      hardwareAddress: hardwareAddress, addressing: addressing, configuration: configuration, seed: seed,
      maximumTransmissionUnit: link.maximumTransmissionUnit, offload: link.offload)
  }

  override func transmit(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool {
    unsafe link.send(frame, metadata: metadata)  // the frame lies in the engine's buffer, valid during the call
  }
}
