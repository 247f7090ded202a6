import ExokernelABI
import VirtioLayout

/// State of the driver of one virtio-blk device. Its rings are laid out as RingZero/Start/rings.S says.
@frozen public struct DiskDriver {
  /// Physical address of the device's registers; 0 where there is no device.
  public var device: UInt64
  /// Physical address of its rings.
  public var rings: UInt64
  /// Bit n is set where request n is free.
  public var freeRequests: UInt32
  /// Used entries taken over so far.
  public var usedSeen: UInt16
  /// Available entries published so far.
  public var published: UInt16
  /// Interrupt line.
  public var interrupt: UInt32
  /// 1 where it takes flush requests; 0 where what it has finished is durable.
  public var hasFlush: UInt32
  /// Environments that were refused `deviceFull` and wait to be told of room: bit n for record n.
  public var waiting: UInt64
  /// Zero: the size is a power of two.
  public var reserved: (UInt64, UInt64, UInt64)

  /// Requests that may be in flight.
  public static let requests: UInt32 = 32
  static let availableOffset: UInt64 = 2048
  static let usedOffset: UInt64 = 2560
  static let headersOffset: UInt64 = 4096
  static let statusOffset: UInt64 = 4608
  /// Bytes of rings per disk.
  public static let ringsSize: UInt64 = 8192
  static let queueSize: UInt32 = 128
  /// The first of the descriptors for headers of flushes, one for each request; those before, three for each, are for
  /// what moves data.
  static let flushDescriptors: UInt32 = 96
}

/// A request in flight.
@frozen public struct DiskRequest {
  /// The frame it reads or writes; of a flush, the environment's page. It stays where it is, and so does the record of
  /// its owner, until the request has ended.
  public var frame: UInt32
  /// The extent's record.
  public var extent: UInt32
  /// Who asked.
  public var environment: UInt8
  /// The tag under which the result is told.
  public var tag: UInt8
  /// 1 for a flush.
  public var isFlush: UInt16
}

/// Disk blocks: extents are bound once, requests are checked against the extent, and the device moves the data to and
/// from the environment's own frame.
extension Kernel {
  // Safe: the private layout gives each table its own range.
  /// Drivers of the disks.
  @inline(__always) public var diskDrivers: Table<DiskDriver> {
    unsafe Table(hardware.privateBase + PrivateLayout.diskDrivers, count: UInt32(BooksLayout.disks))
  }
  @inline(__always) var diskRequests: Table<DiskRequest> {
    unsafe Table(
      hardware.privateBase + PrivateLayout.diskRequests, count: UInt32(BooksLayout.disks) &* DiskDriver.requests)
  }

  /// Checks `CallNumber.extentBind`: which record it becomes, and what is written there.
  func decodeExtentBind(slot: UInt64, disk: UInt64, first: UInt64, count: UInt64, rights: UInt64) throws(CallError)
    -> (index: UInt32, record: ExtentRecord)
  {
    let capability = try presented(slot)
    guard disk < UInt64(header.value.diskCount) else { throw .noSuchResource }
    let wanted = Rights(rawValue: UInt32(truncatingIfNeeded: rights) & 3)
    let name = CapabilityName.guardName(CapabilityName.disk, disk)
    guard !wanted.isEmpty, capability.allows(wanted, guardName: name) else { throw .notPermitted }
    let record = disks[UInt32(truncatingIfNeeded: disk)]
    guard record.readOnly == 0 || !wanted.contains(.write) else { throw .notPermitted }
    guard count > 0, count <= record.blocks, first <= record.blocks &- count else { throw .badArgument }
    guard hasRoom(current, .extents), let index = extents.firstFree() else { throw .exhausted }
    let extent = ExtentRecord(
      first: first, count: count, guardName: environments[current].guardName,
      generation: extents[index].generation &+ 1, owner: current, disk: UInt16(truncatingIfNeeded: disk),
      rights: UInt16(truncatingIfNeeded: wanted.rawValue))
    return (index, extent)
  }

  /// Makes the extent; returns its handle.
  func performExtentBind(_ decoded: (index: UInt32, record: ExtentRecord)) -> UInt64 {
    extents[decoded.index] = decoded.record
    charge(current, .extents)
    joinDisk(UInt32(decoded.record.disk), current)
    return Handle.of(decoded.index, generation: decoded.record.generation)
  }

  /// Checks `CallNumber.extentUnbind`.
  func decodeExtentUnbind(slot: UInt64, extent handle: UInt64) throws(CallError) -> UInt32 {
    guard let index = extents.index(of: handle) else { throw .noSuchResource }
    try require(slot, .allocate, guardName: extents[index].guardName)
    guard extents[index].inFlight == 0 else { throw .busy }
    return index
  }

  /// Lets go of the extent.
  func performExtentUnbind(_ index: UInt32) { dropExtent(index) }

  /// Frees an extent's record; what is in flight still ends.
  func dropExtent(_ index: UInt32) {
    discharge(extents[index].owner, .extents)
    leaveDisk(UInt32(extents[index].disk), extents[index].owner)
    extents[index].count = 0
  }
}
