import ExokernelABI

/// The kernel's logic over its hardware. All state is in memory that the hardware provides, so this is no more than a
/// way to reach it.
public struct Kernel<Platform: Hardware> {
  /// The hardware.
  public let hardware: Platform

  /// The kernel on `hardware`.
  @inline(__always) public init(hardware: Platform) { self.hardware = hardware }

  // Safe: the books' layout gives every table its own range of them, and the hardware vouches for the memory.
  /// The books' header.
  @inline(__always) public var header: Cell<BooksHeader> { unsafe Cell(hardware.booksBase) }
  /// Environments.
  @inline(__always) public var environments: Table<EnvironmentRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.environmentsOffset), count: UInt32(BooksLayout.environments))
  }
  /// The exposed records of the processors.
  @inline(__always) public var processors: Table<ProcessorRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.processorsOffset), count: UInt32(BooksLayout.processors))
  }
  /// The slice vectors, `BooksLayout.slices` positions for each processor.
  @inline(__always) public var slices: Table<SliceRecord> {
    unsafe Table(
      hardware.booksBase + Int(BooksLayout.slicesOffset),
      count: UInt32(BooksLayout.slices * BooksLayout.processors))
  }
  /// Disks.
  @inline(__always) public var disks: Table<DiskRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.disksOffset), count: UInt32(BooksLayout.disks))
  }
  /// Network interfaces.
  @inline(__always) public var interfaces: Table<InterfaceRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.interfacesOffset), count: UInt32(BooksLayout.interfaces))
  }
  /// Extents.
  @inline(__always) public var extents: Table<ExtentRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.extentsOffset), count: UInt32(BooksLayout.extents))
  }
  /// Filters.
  @inline(__always) public var filters: Table<FilterRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.filtersOffset), count: UInt32(BooksLayout.filters))
  }
  /// Regions.
  @inline(__always) public var regions: Table<RegionRecord> {
    unsafe Table(hardware.booksBase + Int(BooksLayout.regionsOffset), count: UInt32(BooksLayout.regions))
  }
  /// Capabilities of all environments, `CapabilitySlot.count` each.
  @inline(__always) public var capabilities: Table<Capability> {
    unsafe Table(
      hardware.booksBase + Int(BooksLayout.capabilitiesOffset),
      count: UInt32(BooksLayout.environments * CapabilitySlot.count))
  }
  /// All frames of the hardware.
  @inline(__always) public var frames: Table<FrameRecord> {
    unsafe Table(hardware.frameTableBase, count: header.value.frameCount)
  }
  /// The kernel's own state.
  @inline(__always) public var kernelPrivate: Cell<PrivateState> { unsafe Cell(hardware.privateBase) }

  /// This processor's state.
  @inline(__always) public var processor: Cell<ProcessorState> { unsafe Cell(hardware.processorBase) }
  /// The state of processor `index`.
  @inline(__always) func processor(_ index: UInt32) -> Cell<ProcessorState> {
    unsafe Cell(hardware.processorBase(of: index))
  }

  /// The environment that runs here. Only to be asked where one does: in calls and upcalls.
  @inline(__always) public var current: UInt32 { processor.value.environment }
  /// The record of the environment that runs here; the same warning.
  @inline(__always) public var currentRecord: Cell<EnvironmentRecord> {
    // Safe: `switchTo` has put the address of one of the books' records there.
    unsafe Cell(UnsafeMutableRawPointer(bitPattern: processor.value.record).unsafelyUnwrapped)
  }
  /// The environment page that a record names.
  @inline(__always) func page(of record: Cell<EnvironmentRecord>) -> Cell<EnvironmentPage> {
    // Safe: the record names a frame of its own kind, which lies in the direct map.
    unsafe Cell(hardware.memory(at: UInt64(record.value.environmentPage) &<< 12))
  }
  /// The environment page of environment `index`.
  @inline(__always) public func page(of index: UInt32) -> Cell<EnvironmentPage> {
    // Safe: the record names a frame of its own kind, which lies in the direct map.
    unsafe Cell(hardware.memory(at: UInt64(environments[index].environmentPage) &<< 12))
  }

  /// The end of every call that is refused. Not inlined: so that refusals cost the calls that succeed nothing.
  @inline(never) public func refuse(_ error: CallError) -> CallResult {
    header.value.counters.refusals &+= 1
    return CallResult(error)
  }

}
