/// One entry of a descriptor table: a buffer of guest memory (VIRTIO 1.3, section 2.7.5). 16 bytes, little-endian.
@frozen
public struct VirtqueueDescriptor: BitwiseCopyable, Sendable {
  /// Guest-physical address of the buffer.
  public var address: UInt64
  /// Length of the buffer in bytes.
  public var byteCount: UInt32
  /// `Flag` bits.
  public var flags: UInt16
  /// Index of the chain's next descriptor, where `Flag.next` is set.
  public var next: UInt16

  /// A descriptor with these fields.
  @inlinable public init(address: UInt64, byteCount: UInt32, flags: UInt16, next: UInt16) {
    self.address = address
    self.byteCount = byteCount
    self.flags = flags
    self.next = next
  }

  /// Bits of `flags`.
  public enum Flag {
    /// The chain goes on at `next`.
    @inlinable public static var next: UInt16 { 1 }
    /// The device writes the buffer; without it the device reads.
    @inlinable public static var write: UInt16 { 2 }
    /// The buffer is a table of descriptors.
    @inlinable public static var indirect: UInt16 { 4 }
  }
}

/// One entry of a used ring (section 2.7.8). 8 bytes, little-endian.
@frozen
public struct VirtqueueUsedElement: BitwiseCopyable, Sendable {
  /// Index of the chain's first descriptor.
  public var id: UInt32
  /// Bytes that the device wrote into the chain.
  public var byteCount: UInt32

  /// An element with these fields.
  @inlinable public init(id: UInt32, byteCount: UInt32) {
    self.id = id
    self.byteCount = byteCount
  }
}

/// Where the parts of a split virtqueue of a given size are (VIRTIO 1.3, section 2.7). All offsets and sizes in bytes.
///
/// The available ring (written by the driver) is `flags: UInt16, index: UInt16, ring: [UInt16; size], usedEvent:
/// UInt16`, the used ring (written by the device) `flags: UInt16, index: UInt16, ring: [VirtqueueUsedElement; size],
/// availableEvent: UInt16`.
@frozen
public struct SplitRingLayout: BitwiseCopyable, Sendable {
  /// Entries of the queue.
  public let queueSize: UInt16

  /// The layout for `queueSize` entries, or nil unless it is a power of two from 1 to 32,768.
  @inlinable public init?(queueSize: UInt16) {
    guard queueSize != 0, queueSize & (queueSize &- 1) == 0 else { return nil }
    self.queueSize = queueSize
  }

  /// The slot of a free-running 16-bit ring index.
  @inlinable public func slot(_ index: UInt16) -> UInt16 { index & (queueSize &- 1) }

  /// Bytes of the descriptor table.
  @inlinable public var descriptorTableByteCount: UInt64 { 16 &* UInt64(queueSize) }
  /// Offset of descriptor `index` in the table.
  @inlinable public func descriptorOffset(_ index: UInt16) -> UInt64 { 16 &* UInt64(index) }

  /// Bytes of the available ring, its event word included.
  @inlinable public var availableRingByteCount: UInt64 { 6 &+ 2 &* UInt64(queueSize) }
  /// Offset of the entry for the free-running index `index` in the available ring.
  @inlinable public func availableEntryOffset(_ index: UInt16) -> UInt64 { 4 &+ 2 &* UInt64(slot(index)) }
  /// Offset of `usedEvent` in the available ring: the driver wants an interrupt when the used index passes this value.
  @inlinable public var usedEventOffset: UInt64 { 4 &+ 2 &* UInt64(queueSize) }

  /// Bytes of the used ring, its event word included.
  @inlinable public var usedRingByteCount: UInt64 { 6 &+ 8 &* UInt64(queueSize) }
  /// Offset of the entry for the free-running index `index` in the used ring.
  @inlinable public func usedElementOffset(_ index: UInt16) -> UInt64 { 4 &+ 8 &* UInt64(slot(index)) }
  /// Offset of `availableEvent` in the used ring: the device wants a doorbell when the available index passes this
  /// value.
  @inlinable public var availableEventOffset: UInt64 { 4 &+ 8 &* UInt64(queueSize) }

  /// Offset of `flags` in both rings.
  @inlinable public static var flagsOffset: UInt64 { 0 }
  /// Offset of `index` in both rings.
  @inlinable public static var indexOffset: UInt64 { 2 }
  /// Bit 0 of the available ring's flags: the driver wants no interrupt (ignored with `VirtioFeatures.eventIndex`).
  @inlinable public static var noInterruptFlag: UInt16 { 1 }
  /// Bit 0 of the used ring's flags: the device wants no doorbell (ignored with `VirtioFeatures.eventIndex`).
  @inlinable public static var noNotifyFlag: UInt16 { 1 }

  /// Required alignment of the descriptor table.
  @inlinable public static var descriptorTableAlignment: UInt64 { 16 }
  /// Required alignment of the available ring.
  @inlinable public static var availableRingAlignment: UInt64 { 2 }
  /// Required alignment of the used ring.
  @inlinable public static var usedRingAlignment: UInt64 { 4 }

  /// Whether moving an index from `old` to `new` passes `event`, so that the other side wants to be notified (section
  /// 2.7.7.2).
  @inlinable public static func needsEvent(event: UInt16, new: UInt16, old: UInt16) -> Bool {
    new &- event &- 1 < new &- old
  }
}
