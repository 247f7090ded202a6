/// The block device's requests and configuration space (VIRTIO 1.3, section 5.2).
///
/// A request is a chain of a header that the device reads, data, and one status byte that the device writes. There is
/// one queue.
public enum VirtioBlock {
  /// Bytes of a sector, the unit of every position and of the capacity, whatever `Configuration.blockSize` says.
  @inlinable public static var sectorByteCount: UInt64 { 512 }
  /// Bytes of a `RequestHeader`.
  @inlinable public static var headerByteCount: UInt64 { 16 }
  /// Index of the request queue.
  @inlinable public static var requestQueue: UInt16 { 0 }
  /// Bytes that `RequestType.getID` returns, padded with zero bytes.
  @inlinable public static var idByteCount: Int { 20 }

  /// The first 16 bytes of every request.
  @frozen
  public struct RequestHeader: BitwiseCopyable, Sendable {
    /// A `RequestType`.
    public var type: UInt32
    /// Zero.
    public var reserved: UInt32
    /// First sector, for `RequestType.read` and `RequestType.write`.
    public var sector: UInt64

    /// A header with these fields.
    @inlinable public init(type: UInt32, sector: UInt64) {
      self.type = type
      self.reserved = 0
      self.sector = sector
    }
  }

  /// One range of a discard or write-zeroes request, 16 bytes.
  @frozen
  public struct RangeSegment: BitwiseCopyable, Sendable {
    /// First sector.
    public var sector: UInt64
    /// Count of sectors.
    public var sectorCount: UInt32
    /// Bit 0 (`unmap`): write-zeroes may free the range. All others are zero.
    public var flags: UInt32

    /// A segment with these fields.
    @inlinable public init(sector: UInt64, sectorCount: UInt32, flags: UInt32) {
      self.sector = sector
      self.sectorCount = sectorCount
      self.flags = flags
    }

    /// Bit of `flags`: the range need not stay allocated.
    @inlinable public static var unmap: UInt32 { 1 }
  }

  /// Values of `RequestHeader.type`.
  public enum RequestType {
    /// Disk to memory.
    @inlinable public static var read: UInt32 { 0 }
    /// Memory to disk.
    @inlinable public static var write: UInt32 { 1 }
    /// Makes finished writes durable.
    @inlinable public static var flush: UInt32 { 4 }
    /// Returns the device's name.
    @inlinable public static var getID: UInt32 { 8 }
    /// The data of these ranges is not needed any more.
    @inlinable public static var discard: UInt32 { 11 }
    /// These ranges shall read as zeroes.
    @inlinable public static var writeZeroes: UInt32 { 13 }
  }

  /// Values of a request's status byte.
  public enum Status {
    /// Done.
    @inlinable public static var ok: UInt8 { 0 }
    /// The device or the host failed, or the request was wrong.
    @inlinable public static var ioError: UInt8 { 1 }
    /// The device does not know this request.
    @inlinable public static var unsupported: UInt8 { 2 }
  }

  /// Offsets in the configuration space, from `VirtioMMIO.Register.configuration`.
  public enum Configuration {
    /// UInt64: sectors of the disk.
    @inlinable public static var capacity: UInt64 { 0 }
    /// UInt32: largest segment in bytes.
    @inlinable public static var sizeMaximum: UInt64 { 8 }
    /// UInt32: most data segments of a request.
    @inlinable public static var segmentMaximum: UInt64 { 12 }
    /// UInt16 cylinders, UInt8 heads, UInt8 sectors.
    @inlinable public static var geometry: UInt64 { 16 }
    /// UInt32: the disk's block size in bytes.
    @inlinable public static var blockSize: UInt64 { 20 }
    /// UInt8: log2 of logical blocks per physical block.
    @inlinable public static var physicalBlockExponent: UInt64 { 24 }
    /// UInt8: offset of the first aligned logical block.
    @inlinable public static var alignmentOffset: UInt64 { 25 }
    /// UInt16: suggested smallest transfer in logical blocks.
    @inlinable public static var minimumTransfer: UInt64 { 26 }
    /// UInt32: suggested best transfer in logical blocks.
    @inlinable public static var optimalTransfer: UInt64 { 28 }
    /// UInt8: cache mode.
    @inlinable public static var writeback: UInt64 { 32 }
    /// UInt16: count of queues.
    @inlinable public static var queueCount: UInt64 { 34 }
    /// UInt32: most sectors in one discard segment.
    @inlinable public static var discardSectorMaximum: UInt64 { 36 }
    /// UInt32: most segments of a discard request.
    @inlinable public static var discardSegmentMaximum: UInt64 { 40 }
    /// UInt32: discard alignment in sectors.
    @inlinable public static var discardSectorAlignment: UInt64 { 44 }
    /// UInt32: most sectors in one write-zeroes segment.
    @inlinable public static var writeZeroesSectorMaximum: UInt64 { 48 }
    /// UInt32: most segments of a write-zeroes request.
    @inlinable public static var writeZeroesSegmentMaximum: UInt64 { 52 }
    /// UInt8: 1 where write-zeroes with `RangeSegment.unmap` may free the range.
    @inlinable public static var writeZeroesMayUnmap: UInt64 { 56 }
    /// Bytes of the configuration space.
    @inlinable public static var byteCount: Int { 60 }
  }
}
