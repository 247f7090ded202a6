import CLibOS
import ExokernelABI

/// The kernel's books as a program reads them: no call, only loads.
///
/// Safe: the kernel maps the books read-only in every environment at fixed addresses, and every index is checked.
public enum Books {
  /// A reader of the books that the kernel exposes.
  public static var reader: BooksReader {
    // The kernel changes them at any time, so who waits for a change in a loop must meet it.
    libos_look_again()
    return unsafe BooksReader(
      books: UnsafeRawPointer(bitPattern: UInt(AddressMap.books)).unsafelyUnwrapped,
      frameTable: UnsafeRawPointer(bitPattern: UInt(AddressMap.frameTable)).unsafelyUnwrapped)
  }

  /// The header as it is now.
  public static var header: BooksHeader { reader.header }

  /// An environment's record.
  public static func environment(_ index: UInt64) -> EnvironmentRecord? { reader.environment(index) }

  /// What a processor does now.
  public static func processor(_ index: UInt64) -> ProcessorRecord? { reader.processor(index) }

  /// A position of a slice vector, processor << 8 | position.
  public static func slice(_ position: UInt64) -> SliceRecord? { reader.slice(position) }

  /// Owner of a position of a slice vector plus one; 0 where it is free.
  public static func sliceOwnerPlusOne(_ position: UInt64) -> UInt32? { slice(position)?.ownerPlusOne }

  /// A capability of an environment.
  public static func capability(of environment: UInt64, slot: UInt64) -> Capability? {
    reader.capability(of: environment, slot: slot)
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
  public static func disk(_ index: UInt64) -> DiskRecord? { reader.disk(index) }

  /// A network interface.
  public static func interface(_ index: UInt64) -> InterfaceRecord? { reader.interface(index) }

  /// A packet filter.
  public static func filter(_ index: UInt64) -> FilterRecord? { reader.filter(index) }

  /// An extent of a disk.
  public static func extent(_ index: UInt64) -> ExtentRecord? { reader.extent(index) }

  /// A region.
  public static func region(_ index: UInt64) -> RegionRecord? { reader.region(index) }

  /// The record of a frame.
  public static func frame(_ number: UInt64) -> FrameRecord? { reader.frame(number) }

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

  /// Where the entry for `address` at the level of `shift` is mapped: once through the recursive entry for the last
  /// level, four times for the root.
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
