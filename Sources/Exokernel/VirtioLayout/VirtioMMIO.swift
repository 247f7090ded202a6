/// The register window of a virtio device over MMIO, version 2 (VIRTIO 1.3, section 4.2.2).
///
/// Offsets are bytes from the window's start. All registers below `configuration` are 32 bits wide, little-endian, and
/// are accessed with aligned 32-bit accesses only; the configuration space takes 8-, 16- and 32-bit accesses.
public enum VirtioMMIO {
  /// What `Register.magicValue` reads: "virt" in little-endian ASCII.
  @inlinable public static var magic: UInt32 { 0x7472_6976 }
  /// What `Register.version` reads: the non-legacy interface.
  @inlinable public static var version: UInt32 { 2 }
  /// What `Register.vendorID` of our devices reads: "XOKV". Drivers do not look at it.
  @inlinable public static var vendorID: UInt32 { 0x564b_4f58 }
  /// Bytes of one device's window: the registers and 256 bytes of configuration space. A window may be spaced further
  /// apart.
  @inlinable public static var windowByteCount: UInt64 { 0x200 }

  /// Register offsets. R: the driver reads, W: the driver writes.
  public enum Register {
    /// R: `VirtioMMIO.magic`.
    @inlinable public static var magicValue: UInt64 { 0x000 }
    /// R: `VirtioMMIO.version`.
    @inlinable public static var version: UInt64 { 0x004 }
    /// R: a `VirtioDeviceID`; 0 means that there is no device in this window.
    @inlinable public static var deviceID: UInt64 { 0x008 }
    /// R: the maker of the device.
    @inlinable public static var vendorID: UInt64 { 0x00c }
    /// R: 32 feature bits that the device offers, those chosen by `deviceFeaturesSelect`.
    @inlinable public static var deviceFeatures: UInt64 { 0x010 }
    /// W: which 32 bits `deviceFeatures` shows (0: bits 0...31, 1: bits 32...63).
    @inlinable public static var deviceFeaturesSelect: UInt64 { 0x014 }
    /// W: 32 feature bits that the driver accepts.
    @inlinable public static var driverFeatures: UInt64 { 0x020 }
    /// W: which 32 bits `driverFeatures` sets.
    @inlinable public static var driverFeaturesSelect: UInt64 { 0x024 }
    /// W: the queue that the `queue...` registers below mean.
    @inlinable public static var queueSelect: UInt64 { 0x030 }
    /// R: the largest size of the selected queue; 0 means that it does not exist.
    @inlinable public static var queueSizeMaximum: UInt64 { 0x034 }
    /// W: the size that the driver uses, a power of two.
    @inlinable public static var queueSize: UInt64 { 0x038 }
    /// RW: 1 while the selected queue is in use.
    @inlinable public static var queueReady: UInt64 { 0x044 }
    /// W: the doorbell; the value is the queue's index.
    @inlinable public static var queueNotify: UInt64 { 0x050 }
    /// R: why the device interrupted, `VirtioMMIO.Interrupt` bits.
    @inlinable public static var interruptStatus: UInt64 { 0x060 }
    /// W: the bits of `interruptStatus` that the driver has handled.
    @inlinable public static var interruptAcknowledge: UInt64 { 0x064 }
    /// RW: `VirtioDeviceStatus`; writing 0 resets the device.
    @inlinable public static var status: UInt64 { 0x070 }
    /// W: guest-physical address of the selected queue's descriptor table, low 32 bits.
    @inlinable public static var queueDescriptorLow: UInt64 { 0x080 }
    /// W: the same, high 32 bits.
    @inlinable public static var queueDescriptorHigh: UInt64 { 0x084 }
    /// W: guest-physical address of the selected queue's available ring, low 32 bits.
    @inlinable public static var queueDriverLow: UInt64 { 0x090 }
    /// W: the same, high 32 bits.
    @inlinable public static var queueDriverHigh: UInt64 { 0x094 }
    /// W: guest-physical address of the selected queue's used ring, low 32 bits.
    @inlinable public static var queueDeviceLow: UInt64 { 0x0a0 }
    /// W: the same, high 32 bits.
    @inlinable public static var queueDeviceHigh: UInt64 { 0x0a4 }
    /// W: which shared-memory region the next four registers show.
    @inlinable public static var sharedMemorySelect: UInt64 { 0x0ac }
    /// R: length of the region, low 32 bits; a length of all ones (-1) means that there is none.
    @inlinable public static var sharedMemoryLengthLow: UInt64 { 0x0b0 }
    /// R: the same, high 32 bits.
    @inlinable public static var sharedMemoryLengthHigh: UInt64 { 0x0b4 }
    /// R: base of the region, low 32 bits.
    @inlinable public static var sharedMemoryBaseLow: UInt64 { 0x0b8 }
    /// R: the same, high 32 bits.
    @inlinable public static var sharedMemoryBaseHigh: UInt64 { 0x0bc }
    /// RW: resets the selected queue alone, with `VirtioFeatures.ringReset` only.
    @inlinable public static var queueReset: UInt64 { 0x0c0 }
    /// R: changes whenever the configuration space does: read it before and after.
    @inlinable public static var configurationGeneration: UInt64 { 0x0fc }
    /// The start of the device-specific configuration space.
    @inlinable public static var configuration: UInt64 { 0x100 }
  }

  /// Bits of `Register.interruptStatus`.
  public enum Interrupt {
    /// A used ring has new buffers.
    @inlinable public static var usedBuffer: UInt32 { 1 }
    /// The configuration space changed, or the device needs a reset.
    @inlinable public static var configurationChange: UInt32 { 2 }
  }
}

/// Device types (VIRTIO 1.3, section 5).
public enum VirtioDeviceID {
  /// No device.
  @inlinable public static var none: UInt32 { 0 }
  /// Network card.
  @inlinable public static var network: UInt32 { 1 }
  /// Block device.
  @inlinable public static var block: UInt32 { 2 }
  /// Console.
  @inlinable public static var console: UInt32 { 3 }
  /// Entropy source.
  @inlinable public static var entropy: UInt32 { 4 }
  /// IOMMU.
  @inlinable public static var iommu: UInt32 { 23 }
}
