/// Feature bits that a device offers and a driver accepts (VIRTIO 1.3, sections 2.2 and 6). Bits 0...23 mean something
/// else for each device type and are named after it.
@frozen
public struct VirtioFeatures: BitwiseCopyable, Equatable, Sendable {
  /// Feature N is bit N.
  public let rawValue: UInt64

  /// The features with these bits.
  @inlinable public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Feature number `bit` (0...63) alone.
  @inlinable public init(bit: UInt64) {
    self.rawValue = 1 &<< bit
  }

  /// Whether all bits of `other` are set.
  @inlinable public func contains(_ other: Self) -> Bool { rawValue & other.rawValue == other.rawValue }
  /// The bits of both.
  @inlinable public static func | (left: Self, right: Self) -> Self { Self(rawValue: left.rawValue | right.rawValue) }
  /// The bits that both have.
  @inlinable public static func & (left: Self, right: Self) -> Self { Self(rawValue: left.rawValue & right.rawValue) }
  /// The bits of `left` that `right` has not.
  @inlinable public static func - (left: Self, right: Self) -> Self { Self(rawValue: left.rawValue & ~right.rawValue) }

  /// The 32 bits that a features register shows for `select` (0 or 1); nothing for other values.
  @inlinable public func word(_ select: UInt32) -> UInt32 {
    switch select {
    case 0: UInt32(truncatingIfNeeded: rawValue)
    case 1: UInt32(truncatingIfNeeded: rawValue &>> 32)
    default: 0
    }
  }

  /// No feature.
  @inlinable public static var none: Self { Self(rawValue: 0) }

  // Any device.

  /// A descriptor may point to a table of descriptors.
  @inlinable public static var indirectDescriptors: Self { Self(bit: 28) }
  /// Both sides say by ring index when they want to be notified.
  @inlinable public static var eventIndex: Self { Self(bit: 29) }
  /// The device follows VIRTIO 1.0 or later; every driver of ours insists on it.
  @inlinable public static var version1: Self { Self(bit: 32) }
  /// Addresses go through an IOMMU.
  @inlinable public static var accessPlatform: Self { Self(bit: 33) }
  /// Queues can be reset one by one.
  @inlinable public static var ringReset: Self { Self(bit: 40) }

  // Block device (section 5.2.3).

  /// `VirtioBlock.Configuration.sizeMaximum` holds.
  @inlinable public static var blockSizeMaximum: Self { Self(bit: 1) }
  /// `VirtioBlock.Configuration.segmentMaximum` holds.
  @inlinable public static var blockSegmentMaximum: Self { Self(bit: 2) }
  /// The disk cannot be written.
  @inlinable public static var blockReadOnly: Self { Self(bit: 5) }
  /// `VirtioBlock.Configuration.blockSize` holds.
  @inlinable public static var blockSize: Self { Self(bit: 6) }
  /// The device takes flush requests.
  @inlinable public static var blockFlush: Self { Self(bit: 9) }
  /// The topology fields hold.
  @inlinable public static var blockTopology: Self { Self(bit: 10) }
  /// The device takes discard requests.
  @inlinable public static var blockDiscard: Self { Self(bit: 13) }
  /// The device takes write-zeroes requests.
  @inlinable public static var blockWriteZeroes: Self { Self(bit: 14) }

  // Network card (section 5.1.3).

  /// The device takes packets with partial checksums.
  @inlinable public static var networkChecksum: Self { Self(bit: 0) }
  /// The driver takes packets with partial checksums.
  @inlinable public static var networkGuestChecksum: Self { Self(bit: 1) }
  /// `VirtioNetwork.Configuration.maximumTransmissionUnit` holds.
  @inlinable public static var networkMTU: Self { Self(bit: 3) }
  /// `VirtioNetwork.Configuration.macAddress` holds.
  @inlinable public static var networkMACAddress: Self { Self(bit: 5) }
  /// The driver takes TCP over IPv4 segments larger than a frame.
  @inlinable public static var networkGuestTSO4: Self { Self(bit: 7) }
  /// The driver takes TCP over IPv6 segments larger than a frame.
  @inlinable public static var networkGuestTSO6: Self { Self(bit: 8) }
  /// The device cuts TCP over IPv4 segments into frames.
  @inlinable public static var networkHostTSO4: Self { Self(bit: 11) }
  /// The device cuts TCP over IPv6 segments into frames.
  @inlinable public static var networkHostTSO6: Self { Self(bit: 12) }
  /// A received packet may be spread over several descriptor chains.
  @inlinable public static var networkMergeableBuffers: Self { Self(bit: 15) }
  /// `VirtioNetwork.Configuration.status` holds.
  @inlinable public static var networkStatus: Self { Self(bit: 16) }
}
