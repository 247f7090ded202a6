/// How far a driver has come with a device (VIRTIO 1.3, section 2.1). The driver sets one bit after the other, in this
/// order: `acknowledge`, `driver`, `featuresOK` (and reads back whether the device kept it), `driverOK`.
///
/// Not an `OptionSet`, here and in `VirtioFeatures`: its array literals count as allocations in ring 0.
@frozen
public struct VirtioDeviceStatus: BitwiseCopyable, Equatable, Sendable {
  /// The bits as the status register holds them.
  public let rawValue: UInt32

  /// The status with these bits.
  @inlinable public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Whether all bits of `other` are set.
  @inlinable public func contains(_ other: Self) -> Bool { rawValue & other.rawValue == other.rawValue }
  /// The bits of both.
  @inlinable public static func | (left: Self, right: Self) -> Self { Self(rawValue: left.rawValue | right.rawValue) }
  /// The bits that both have.
  @inlinable public static func & (left: Self, right: Self) -> Self { Self(rawValue: left.rawValue & right.rawValue) }
  /// The bits of `left` that `right` has not.
  @inlinable public static func - (left: Self, right: Self) -> Self { Self(rawValue: left.rawValue & ~right.rawValue) }

  /// No bit: the device was reset.
  @inlinable public static var reset: Self { Self(rawValue: 0) }
  /// The driver has seen the device.
  @inlinable public static var acknowledge: Self { Self(rawValue: 1) }
  /// The driver knows how to drive it.
  @inlinable public static var driver: Self { Self(rawValue: 2) }
  /// The driver is ready: queues are set up, the device may work.
  @inlinable public static var driverOK: Self { Self(rawValue: 4) }
  /// The features are agreed upon.
  @inlinable public static var featuresOK: Self { Self(rawValue: 8) }
  /// The device met an error (of the driver's) that only a reset cures. Set by the device.
  @inlinable public static var needsReset: Self { Self(rawValue: 64) }
  /// The driver gave up.
  @inlinable public static var failed: Self { Self(rawValue: 128) }
}
