/// The books read from memory, with every index checked: those that the kernel exposes, or an image of them.
///
/// A reader makes loads and nothing else. It may meet a record in change.
@safe public struct BooksReader: @unchecked Sendable {
  private let books: UnsafeRawPointer
  private let frameTable: UnsafeRawPointer

  /// Reads books that start at `books`, and the frame records from frame 0 on at `frameTable`.
  ///
  /// Unsafe: `BooksLayout.size` bytes of books, and as many frame records as their header says, must stay readable as
  /// long as the reader is in use, both on a boundary of 8 bytes.
  @unsafe public init(books: UnsafeRawPointer, frameTable: UnsafeRawPointer) {
    unsafe self.books = unsafe books
    unsafe self.frameTable = unsafe frameTable
  }

  // Safe: offsets are the layout's, the index is checked against the number of records there, and the initializer's
  // caller vouches for the memory. Every record is made of integers, so any bytes are one.
  private func record<Record>(_ offset: UInt64, _ index: UInt64, of count: UInt64) -> Record? {
    guard index < count else { return nil }
    let place = Int(truncatingIfNeeded: offset) &+ Int(truncatingIfNeeded: index) &* MemoryLayout<Record>.stride
    return unsafe books.load(fromByteOffset: place, as: Record.self)
  }

  /// The header as it is now.
  public var header: BooksHeader { unsafe books.load(as: BooksHeader.self) }

  /// An environment's record.
  public func environment(_ index: UInt64) -> EnvironmentRecord? {
    record(BooksLayout.environmentsOffset, index, of: BooksLayout.environments)
  }

  /// What a processor does now.
  public func processor(_ index: UInt64) -> ProcessorRecord? {
    record(BooksLayout.processorsOffset, index, of: BooksLayout.processors)
  }

  /// A position of a slice vector, processor << 8 | position.
  public func slice(_ position: UInt64) -> SliceRecord? {
    guard position & 0xff < BooksLayout.slices, position &>> 8 < BooksLayout.processors else { return nil }
    return record(
      BooksLayout.slicesOffset, (position &>> 8) &* BooksLayout.slices &+ (position & 0xff),
      of: BooksLayout.slices &* BooksLayout.processors)
  }

  /// A capability of an environment.
  public func capability(of environment: UInt64, slot: UInt64) -> Capability? {
    guard slot < CapabilitySlot.count, environment < BooksLayout.environments else { return nil }
    return record(
      BooksLayout.capabilitiesOffset, environment &* CapabilitySlot.count &+ slot,
      of: BooksLayout.environments &* CapabilitySlot.count)
  }

  /// A disk.
  public func disk(_ index: UInt64) -> DiskRecord? {
    index < UInt64(header.diskCount) ? record(BooksLayout.disksOffset, index, of: BooksLayout.disks) : nil
  }

  /// A network interface.
  public func interface(_ index: UInt64) -> InterfaceRecord? {
    index < UInt64(header.interfaceCount)
      ? record(BooksLayout.interfacesOffset, index, of: BooksLayout.interfaces) : nil
  }

  /// A packet filter.
  public func filter(_ index: UInt64) -> FilterRecord? {
    record(BooksLayout.filtersOffset, index, of: BooksLayout.filters)
  }

  /// An extent of a disk.
  public func extent(_ index: UInt64) -> ExtentRecord? {
    record(BooksLayout.extentsOffset, index, of: BooksLayout.extents)
  }

  /// A region.
  public func region(_ index: UInt64) -> RegionRecord? {
    record(BooksLayout.regionsOffset, index, of: BooksLayout.regions)
  }

  /// The record of a frame.
  public func frame(_ number: UInt64) -> FrameRecord? {
    guard number < UInt64(header.frameCount) else { return nil }
    // Safe: as above; the header's count is the kernel's, set at boot.
    return unsafe frameTable.load(
      fromByteOffset: Int(truncatingIfNeeded: number) &* MemoryLayout<FrameRecord>.stride, as: FrameRecord.self)
  }
}
