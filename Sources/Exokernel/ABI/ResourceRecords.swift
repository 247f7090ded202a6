/// One disk.
@frozen public struct DiskRecord {
  /// Capacity in blocks of 512 bytes.
  public var blocks: UInt64
  /// 1 where it cannot be written.
  public var readOnly: UInt32
  /// Zero.
  public var reserved: UInt32

  /// A record with these values.
  @inlinable public init(blocks: UInt64, readOnly: UInt32) {
    self.blocks = blocks
    self.readOnly = readOnly
    reserved = 0
  }
}

/// One network interface.
@frozen public struct InterfaceRecord {
  /// Hardware address, first byte least significant.
  public var hardwareAddress: UInt64
  /// 1: the device completes checksums; 2: it also cuts large TCP/IPv4 segments.
  public var offload: UInt32
  /// Largest payload of a frame in bytes.
  public var maximumTransmissionUnit: UInt32

  /// A record with these values.
  @inlinable public init(hardwareAddress: UInt64, offload: UInt32, maximumTransmissionUnit: UInt32) {
    self.hardwareAddress = hardwareAddress
    self.offload = offload
    self.maximumTransmissionUnit = maximumTransmissionUnit
  }
}

/// A range of a disk bound to an environment.
@frozen public struct ExtentRecord {
  /// First block.
  public var first: UInt64
  /// Number of blocks; 0 where the record is free.
  public var count: UInt64
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// Number of times this record has been used; see `Handle`.
  public var generation: UInt32
  /// The environment that holds it.
  public var owner: UInt32
  /// The disk.
  public var disk: UInt16
  /// `Rights` it was bound with.
  public var rights: UInt16
  /// Requests in flight.
  public var inFlight: UInt32

  /// A record with these values.
  @inlinable public init(
    first: UInt64, count: UInt64, guardName: UInt64, generation: UInt32, owner: UInt32, disk: UInt16, rights: UInt16
  ) {
    self.first = first
    self.count = count
    self.guardName = guardName
    self.generation = generation
    self.owner = owner
    self.disk = disk
    self.rights = rights
    inFlight = 0
  }
}

/// A packet filter bound to an environment.
@frozen public struct FilterRecord {
  /// The environment that holds it plus 1; 0 where the record is free.
  public var ownerPlusOne: UInt32
  /// Frame of the ring.
  public var ringFrame: UInt32
  /// Packets it was given.
  public var packets: UInt64
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// Number of times this record has been used; see `Handle`.
  public var generation: UInt32
  /// Zero.
  public var reserved: UInt32

  /// A record with these values.
  @inlinable public init(
    ownerPlusOne: UInt32, ringFrame: UInt32, packets: UInt64, guardName: UInt64, generation: UInt32
  ) {
    reserved = 0
    self.ownerPlusOne = ownerPlusOne
    self.ringFrame = ringFrame
    self.packets = packets
    self.guardName = guardName
    self.generation = generation
  }
}

/// A part of a frame that environments share through the kernel.
@frozen public struct RegionRecord {
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// Zero.
  public var reserved: UInt32
  /// Number of times this record has been used; see `Handle`.
  public var generation: UInt32
  /// The environment that made it plus 1; 0 where the record is free.
  public var ownerPlusOne: UInt32
  /// The frame.
  public var frame: UInt32
  /// First byte in the frame.
  public var offset: UInt32
  /// Number of bytes.
  public var count: UInt32

  /// A record with these values.
  @inlinable public init(
    guardName: UInt64, generation: UInt32, ownerPlusOne: UInt32, frame: UInt32, offset: UInt32, count: UInt32
  ) {
    reserved = 0
    self.guardName = guardName
    self.generation = generation
    self.ownerPlusOne = ownerPlusOne
    self.frame = frame
    self.offset = offset
    self.count = count
  }
}

/// A position of a slice vector.
@frozen public struct SliceRecord {
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// The environment that holds it plus 1; 0 where it is free.
  public var ownerPlusOne: UInt32
  /// Zero.
  public var reserved: UInt32

  /// A record with these values.
  @inlinable public init(guardName: UInt64, ownerPlusOne: UInt32) {
    reserved = 0
    self.guardName = guardName
    self.ownerPlusOne = ownerPlusOne
  }
}
