import CLibOS
import ExokernelABI

/// The kernel's books as a program reads them: no call, only loads.
///
/// Safe: the kernel maps the books read-only in every environment at fixed addresses, and every index is checked.
public enum Books {
  private static func record<Record: BitwiseCopyable>(_ offset: UInt64, _ index: UInt64, of count: UInt64) -> Record? {
    guard index < count else { return nil }
    let address = UInt(AddressMap.books &+ offset) &+ UInt(index) &* UInt(MemoryLayout<Record>.stride)
    return unsafe UnsafePointer<Record>(bitPattern: address)?.pointee
  }

  /// The header as it is now.
  public static var header: BooksHeader {
    unsafe UnsafePointer<BooksHeader>(bitPattern: UInt(AddressMap.books)).unsafelyUnwrapped.pointee
  }

  /// An environment's record.
  public static func environment(_ index: UInt64) -> EnvironmentRecord? {
    record(BooksLayout.environmentsOffset, index, of: BooksLayout.environments)
  }

  /// What a processor does now.
  public static func processor(_ index: UInt64) -> ProcessorRecord? {
    record(BooksLayout.processorsOffset, index, of: BooksLayout.processors)
  }

  /// A position of a slice vector, processor << 8 | position.
  public static func slice(_ position: UInt64) -> SliceRecord? {
    guard position & 0xff < BooksLayout.slices, position &>> 8 < BooksLayout.processors else { return nil }
    return record(
      BooksLayout.slicesOffset, (position &>> 8) &* BooksLayout.slices &+ (position & 0xff),
      of: BooksLayout.slices &* BooksLayout.processors)
  }

  /// Owner of a position of a slice vector plus one; 0 where it is free.
  public static func sliceOwnerPlusOne(_ position: UInt64) -> UInt32? { slice(position)?.ownerPlusOne }

  /// A capability of an environment.
  public static func capability(of environment: UInt64, slot: UInt64) -> Capability? {
    guard slot < CapabilitySlot.count, environment < BooksLayout.environments else { return nil }
    return record(
      BooksLayout.capabilitiesOffset, environment &* CapabilitySlot.count &+ slot,
      of: BooksLayout.environments &* CapabilitySlot.count)
  }

  /// The first slot in which this environment holds no capability; nil where it has none left.
  public static var emptySlot: UInt64? {
    for slot in CapabilitySlot.root &+ 1..<CapabilitySlot.count {
      if let held = capability(of: Environment.number, slot: slot), held.rights.isEmpty { return slot }
    }
    return nil
  }

  /// The record of the environment that `handle` names; nil where it is another one's by now, or nobody's.
  public static func environment(named handle: UInt64) -> EnvironmentRecord? {
    guard let record = environment(UInt64(Handle.index(handle))),
      UInt64(record.generation) == Handle.generation(handle),
      record.state != EnvironmentState.free.rawValue
    else { return nil }
    return record
  }

  /// A disk.
  public static func disk(_ index: UInt64) -> DiskRecord? {
    index < UInt64(header.diskCount) ? record(BooksLayout.disksOffset, index, of: BooksLayout.disks) : nil
  }

  /// A network interface.
  public static func interface(_ index: UInt64) -> InterfaceRecord? {
    index < UInt64(header.interfaceCount)
      ? record(BooksLayout.interfacesOffset, index, of: BooksLayout.interfaces) : nil
  }

  /// A packet filter.
  public static func filter(_ index: UInt64) -> FilterRecord? {
    record(BooksLayout.filtersOffset, index, of: BooksLayout.filters)
  }

  /// An extent of a disk.
  public static func extent(_ index: UInt64) -> ExtentRecord? {
    record(BooksLayout.extentsOffset, index, of: BooksLayout.extents)
  }

  /// A region.
  public static func region(_ index: UInt64) -> RegionRecord? {
    record(BooksLayout.regionsOffset, index, of: BooksLayout.regions)
  }

  /// The record of a frame.
  public static func frame(_ number: UInt64) -> FrameRecord? {
    guard number < UInt64(header.frameCount) else { return nil }
    let address = UInt(AddressMap.frameTable) &+ UInt(number) &* UInt(MemoryLayout<FrameRecord>.stride)
    return unsafe UnsafePointer<FrameRecord>(bitPattern: address)?.pointee
  }

  /// The page-table entry of a mapped page of ours; nil where a table on the way is missing.
  public static func entry(of address: UInt64) -> UInt64? {
    var shift: UInt64 = 39
    while true {
      let entry = libos_load64(UInt(tableAddress(address, shift)))
      if shift == 12 { return entry }
      guard entry & 1 != 0 else { return nil }
      shift &-= 9
    }
  }

  /// Where the entry for `address` at the level of `shift` is mapped: once through the recursive entry for the last level, four times for
  /// the root.
  private static func tableAddress(_ address: UInt64, _ shift: UInt64) -> UInt64 {
    var base = AddressMap.selfMap
    var position: UInt64 = 30
    var level = shift
    while level > 12 {
      base |= AddressMap.recursiveSlot &<< position
      position &-= 9
      level &-= 9
    }
    return base &+ (address &>> shift) &* 8
  }

  /// The frame behind a mapped page of ours.
  public static func frameNumber(of address: UInt64) -> UInt64? {
    guard let entry = entry(of: address), entry & 1 != 0 else { return nil }
    return (entry & 0x000f_ffff_ffff_f000) &>> 12
  }
}
