/// The network card's packet header and configuration space (VIRTIO 1.3, section 5.1).
///
/// Each packet is a `Header` and an Ethernet frame without its check sequence. A TAP device opened with `IFF_VNET_HDR`
/// and a header size of 12 speaks the same header.
public enum VirtioNetwork {
  /// Index of the queue whose buffers receive packets.
  @inlinable public static var receiveQueue: UInt16 { 0 }
  /// Index of the queue whose buffers are sent.
  @inlinable public static var transmitQueue: UInt16 { 1 }
  /// Largest frame that fits a buffer of a driver without large receive offload: Ethernet header and 1,500 bytes.
  @inlinable public static var plainFrameByteCount: Int { 1514 }
  /// Largest frame with segmentation offload: Ethernet header and 65,535 bytes, rounded as the specification does.
  @inlinable public static var largeFrameByteCount: Int { 65550 }

  /// What precedes each frame, 12 bytes, little-endian.
  @frozen
  public struct Header: BitwiseCopyable, Sendable, Equatable {
    /// `Flag` bits.
    public var flags: UInt8
    /// A `Segmentation` value.
    public var segmentation: UInt8
    /// Bytes of the Ethernet, IP and TCP headers together, a hint for segmentation.
    public var headerByteCount: UInt16
    /// Bytes of TCP payload per frame, for segmentation.
    public var segmentByteCount: UInt16
    /// Where the checksummed part starts, from the frame's start, for `Flag.needsChecksum`.
    public var checksumStart: UInt16
    /// Where the checksum is stored, from `checksumStart`.
    public var checksumOffset: UInt16
    /// Count of descriptor chains that a received packet takes (1 without `VirtioFeatures.networkMergeableBuffers`).
    public var bufferCount: UInt16

    /// The header of a frame that needs nothing done.
    @inlinable public init() {
      flags = 0
      segmentation = 0
      headerByteCount = 0
      segmentByteCount = 0
      checksumStart = 0
      checksumOffset = 0
      bufferCount = 0
    }

    /// Bytes of the header.
    @inlinable public static var byteCount: Int { 12 }
    /// Offset of `bufferCount`.
    @inlinable public static var bufferCountOffset: Int { 10 }
  }

  /// Bits of `Header.flags`.
  public enum Flag {
    /// The checksum at `checksumStart + checksumOffset` has still to be completed.
    @inlinable public static var needsChecksum: UInt8 { 1 }
    /// The checksum was found right.
    @inlinable public static var dataValid: UInt8 { 2 }
  }

  /// Values of `Header.segmentation`.
  public enum Segmentation {
    /// An ordinary frame.
    @inlinable public static var none: UInt8 { 0 }
    /// TCP over IPv4, to be cut.
    @inlinable public static var tcp4: UInt8 { 1 }
    /// UDP over IPv4, to be cut into fragments.
    @inlinable public static var udp: UInt8 { 3 }
    /// TCP over IPv6, to be cut.
    @inlinable public static var tcp6: UInt8 { 4 }
    /// Bit: the TCP segment carries explicit congestion notification.
    @inlinable public static var congestionBit: UInt8 { 0x80 }
  }

  /// Offsets in the configuration space, from `VirtioMMIO.Register.configuration`.
  public enum Configuration {
    /// Six bytes: the card's Ethernet address.
    @inlinable public static var macAddress: UInt64 { 0 }
    /// UInt16: `linkUp` and other bits.
    @inlinable public static var status: UInt64 { 6 }
    /// UInt16: count of queue pairs.
    @inlinable public static var queuePairMaximum: UInt64 { 8 }
    /// UInt16: largest IP packet.
    @inlinable public static var maximumTransmissionUnit: UInt64 { 10 }
    /// Bytes of the configuration space.
    @inlinable public static var byteCount: Int { 12 }
    /// Bit of `status`: the cable is plugged in.
    @inlinable public static var linkUp: UInt16 { 1 }
  }
}

/// The entropy source (VIRTIO 1.3, section 5.4): one queue whose buffers the device fills.
public enum VirtioEntropy {
  /// Index of the request queue.
  @inlinable public static var requestQueue: UInt16 { 0 }
}
