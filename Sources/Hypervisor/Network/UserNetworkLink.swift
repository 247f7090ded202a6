import InternetStack
import VirtioLayout

/// The wire between the in-process stack and the guest's card. Nothing is lost or damaged on it, so checksums and
/// segmentation are left out as far as the guest accepts that.
final class UserNetworkLink: PacketLink {
  private let receiver: any NetworkReceiver
  let maximumTransmissionUnit = 1500
  let offload: LinkOffload
  /// Whether frames were delivered since the receiver was last told to look.
  private var needsFlush = false

  /// A wire to `receiver`, whose driver accepted `features`.
  init(receiver: any NetworkReceiver, features: VirtioFeatures) {
    self.receiver = receiver
    let takesPartialChecksums = features.contains(.networkGuestChecksum)
    let takesSegments = takesPartialChecksums && features.contains(.networkGuestTSO4)
    offload = LinkOffload(transmitChecksum: takesPartialChecksums, maximumSegmentsPerSend: takesSegments ? 44 : 1)
  }

  func send(_ frame: UnsafeRawBufferPointer, metadata: FrameMetadata) -> Bool {
    // Safe: the frame is valid during the call, and the card copies it.
    let outcome = receiver.deliver(header: UserNetworkLink.header(metadata), frame: unsafe RawSpan(_unsafeBytes: frame))
    switch outcome {
    case .noBuffers: return false
    case .delivered: needsFlush = true
    // A card that cannot take it loses it, as a wire would; the protocols above recover.
    case .dropped, .noPacket: break
    }
    return true
  }

  /// Tells the guest of the frames since the last time.
  func flush() {
    guard needsFlush else { return }
    needsFlush = false
    receiver.flush()
  }

  /// What the stack says of a frame, in the card's terms.
  static func header(_ metadata: FrameMetadata) -> VirtioNetwork.Header {
    var header = VirtioNetwork.Header()
    if metadata.needsChecksum {
      header.flags = VirtioNetwork.Flag.needsChecksum
      header.checksumStart = metadata.checksumStart
      header.checksumOffset = metadata.checksumOffset
    }
    if metadata.gsoSize > 0 {
      header.segmentation = VirtioNetwork.Segmentation.tcp4
      header.segmentByteCount = metadata.gsoSize
      header.headerByteCount = metadata.headerLength
    }
    return header
  }

  /// What the card says of a frame, in the stack's terms.
  static func metadata(_ header: VirtioNetwork.Header) -> FrameMetadata {
    var metadata = FrameMetadata()
    metadata.checksumIsValid = header.flags & VirtioNetwork.Flag.dataValid != 0
    if header.flags & VirtioNetwork.Flag.needsChecksum != 0 {
      metadata.needsChecksum = true
      metadata.checksumStart = header.checksumStart
      metadata.checksumOffset = header.checksumOffset
    }
    if header.segmentation & ~VirtioNetwork.Segmentation.congestionBit == VirtioNetwork.Segmentation.tcp4 {
      metadata.gsoSize = header.segmentByteCount
      metadata.headerLength = header.headerByteCount
    }
    return metadata
  }
}
