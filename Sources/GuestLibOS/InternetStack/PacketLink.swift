/// The output side of a stack's link, implemented by its owner: a packet ring of the exokernel, a virtio queue, a test.
///
/// The stack calls it from within its own methods; an implementation must not call back into the stack.
public protocol PacketLink {
  /// Hands one complete Ethernet frame (no frame check sequence) to the link.
  ///
  /// The bytes are valid during the call only. False means that the link is full: the frame counts as not sent and
  /// the stack tries again on a later `poll`.
  mutating func send(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool

  /// Largest IPv4 packet, headers included, in bytes: 576 to 65,535. Read once when the stack is made.
  var maximumTransmissionUnit: Int { get }

  /// What the link does in the stack's stead. Read once when the stack is made.
  var offload: LinkOffload { get }
}

/// What a link can do in the stack's stead on output.
public struct LinkOffload: Sendable {
  /// The link completes TCP and UDP checksums of frames marked `needsChecksum`.
  public var transmitChecksum: Bool
  /// Into how many segments the link cuts one large TCP frame; 1 means that it cuts none.
  ///
  /// More than one requires `transmitChecksum`, without which it is taken as 1.
  public var maximumSegmentsPerSend: Int

  /// Describes the abilities of a link; by default there are none.
  public init(transmitChecksum: Bool = false, maximumSegmentsPerSend: Int = 1) {
    self.transmitChecksum = transmitChecksum
    self.maximumSegmentsPerSend = transmitChecksum ? max(1, maximumSegmentsPerSend) : 1
  }
}

/// What accompanies a frame besides its bytes. The fields carry over to and from `virtio_net_hdr` (virtio 1.2, 5.1.6).
public struct FrameMetadata: Equatable, Sendable {
  /// Output: the link must complete the checksum, whose field holds the sum of the pseudo header (not complemented).
  ///
  /// Input: the checksum was never completed, because the frame did not leave the machine; taken as valid.
  public var needsChecksum: Bool
  /// Input: somebody trustworthy has verified the TCP or UDP checksum; the stack does not sum again.
  public var checksumIsValid: Bool
  /// With `needsChecksum`: where in the frame summing begins (start of the TCP or UDP header).
  public var checksumStart: UInt16
  /// With `needsChecksum`: where the checksum field lies, counted from `checksumStart`.
  public var checksumOffset: UInt16
  /// TCP payload bytes per segment if the frame holds several segments' payload; 0 for an ordinary frame.
  public var gsoSize: UInt16
  /// With `gsoSize`: length of the Ethernet, IPv4 and TCP headers in front of the payload.
  public var headerLength: UInt16

  /// Describes a frame; by default an ordinary one with a complete checksum that nobody has verified.
  public init(
    needsChecksum: Bool = false, checksumIsValid: Bool = false, checksumStart: UInt16 = 0,
    checksumOffset: UInt16 = 0, gsoSize: UInt16 = 0, headerLength: UInt16 = 0
  ) {
    self.needsChecksum = needsChecksum
    self.checksumIsValid = checksumIsValid
    self.checksumStart = checksumStart
    self.checksumOffset = checksumOffset
    self.gsoSize = gsoSize
    self.headerLength = headerLength
  }

  /// Whether the receiver may skip the TCP or UDP checksum.
  var checksumNeedsNoCheck: Bool { needsChecksum || checksumIsValid }
}
