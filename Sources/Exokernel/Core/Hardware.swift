import ExokernelABI

/// What the kernel's logic needs of a machine. Guest ring 0 has one implementation, the host's tests another.
public protocol Hardware {
  /// The books, `BooksLayout.size` bytes.
  var booksBase: UnsafeMutableRawPointer { get }
  /// Physical address of the books.
  var booksAddress: UInt64 { get }
  /// The frame table.
  var frameTableBase: UnsafeMutableRawPointer { get }
  /// The kernel's own state, `PrivateLayout.size` bytes.
  var privateBase: UnsafeMutableRawPointer { get }
  /// The state of the processor that executes this, `ProcessorState.size` bytes.
  var processorBase: UnsafeMutableRawPointer { get }
  /// The state of processor `index`.
  func processorBase(of index: UInt32) -> UnsafeMutableRawPointer
  /// Lets processor `index`, another one, look for something to run.
  func interrupt(processor index: UInt32)
  /// Makes processor `index`, another one, forget the translations of its page table, and waits until it has.
  func flush(processor index: UInt32)
  /// Memory at a physical address below `AddressMap.directMapSize`.
  func memory(at physicalAddress: UInt64) -> UnsafeMutableRawPointer
  /// Physical address of the root table whose upper half and exposed entries every environment gets.
  var templateRoot: UInt64 { get }
  /// Physical address of the disks' rings, `DiskDriver.ringsSize` each, prepared as boot/rings.S says.
  var diskRings: UInt64 { get }
  /// Physical address of the interfaces' rings, `InterfaceDriver.ringsSize` each, prepared as boot/rings.S says.
  var networkRings: UInt64 { get }
  /// Where the entry of the last level for `address`, an ordinary page of the running environment's, is in the page table in force; nil, or
  /// a place from which `load(entry:)` loads all ones, where a table is missing.
  func entry(of address: UInt64) -> UnsafeMutablePointer<UInt64>?
  /// Loads from a place that `entry(of:)` has told.
  func load(entry place: UnsafeMutablePointer<UInt64>) -> UInt64
  /// Fills one frame with zeroes.
  func clear(frame physicalAddress: UInt64)
  /// Copies `count` bytes of physical memory.
  func copy(from source: UInt64, to target: UInt64, count: UInt32)
  /// Forgets the cached translation of one page of the running environment.
  func invalidate(page: UInt64)
  /// Makes `root` the page table in force.
  func activate(root: UInt64)
  /// The time-stamp counter.
  var timeStamp: UInt64 { get }
  /// Lets this processor's timer fire at time-stamp `deadline`; 0 stops it.
  func armTimer(at deadline: UInt64)
  /// The same where `hasDeadlineTimer` is known to be true.
  func armDeadline(at deadline: UInt64)
  /// True where the timer compares time-stamps, so that setting it is one instruction.
  var hasDeadlineTimer: Bool { get }
  /// Writes the `count` bytes behind the first four of `record` to the console; those four are free for the machine's use.
  func consoleWrite(_ record: UnsafeMutableRawPointer, count: UInt32)
  /// Reads a register of a virtio device.
  func deviceLoad(_ physicalAddress: UInt64) -> UInt32
  /// Writes a register of a virtio device.
  func deviceStore(_ physicalAddress: UInt64, _ value: UInt32)
  /// Stores before are seen by devices before stores after.
  func orderStores()
  /// Stores before are seen by devices before loads after are made.
  func orderAll()
}

/// The kernel's logic over a machine. All state is in memory that the machine provides, so this is no more than a way to reach it.
public struct Kernel<Machine: Hardware> {
  /// The machine.
  public let machine: Machine

  /// The kernel on `machine`.
  @inline(__always) public init(machine: Machine) { self.machine = machine }

  // Safe: the books' layout gives every table its own range of them, and the machine vouches for the memory.
  /// The books' header.
  @inline(__always) public var header: Cell<BooksHeader> { unsafe Cell(machine.booksBase) }
  /// Environments.
  @inline(__always) public var environments: Table<EnvironmentRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.environmentsOffset), count: UInt32(BooksLayout.environments))
  }
  /// The exposed records of the processors.
  @inline(__always) public var processors: Table<ProcessorRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.processorsOffset), count: UInt32(BooksLayout.processors))
  }
  /// The slice vectors, `BooksLayout.slices` positions for each processor.
  @inline(__always) public var slices: Table<SliceRecord> {
    unsafe Table(
      machine.booksBase + Int(BooksLayout.slicesOffset),
      count: UInt32(BooksLayout.slices * BooksLayout.processors))
  }
  /// Disks.
  @inline(__always) public var disks: Table<DiskRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.disksOffset), count: UInt32(BooksLayout.disks))
  }
  /// Network interfaces.
  @inline(__always) public var interfaces: Table<InterfaceRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.interfacesOffset), count: UInt32(BooksLayout.interfaces))
  }
  /// Extents.
  @inline(__always) public var extents: Table<ExtentRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.extentsOffset), count: UInt32(BooksLayout.extents))
  }
  /// Filters.
  @inline(__always) public var filters: Table<FilterRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.filtersOffset), count: UInt32(BooksLayout.filters))
  }
  /// Regions.
  @inline(__always) public var regions: Table<RegionRecord> {
    unsafe Table(machine.booksBase + Int(BooksLayout.regionsOffset), count: UInt32(BooksLayout.regions))
  }
  /// Capabilities of all environments, `CapabilitySlot.count` each.
  @inline(__always) public var capabilities: Table<Capability> {
    unsafe Table(
      machine.booksBase + Int(BooksLayout.capabilitiesOffset),
      count: UInt32(BooksLayout.environments * CapabilitySlot.count))
  }
  /// All frames of the machine.
  @inline(__always) public var frames: Table<FrameRecord> {
    unsafe Table(machine.frameTableBase, count: header.value.frameCount)
  }
  /// The kernel's own state.
  @inline(__always) public var own: Cell<PrivateState> { unsafe Cell(machine.privateBase) }

  /// This processor's state.
  @inline(__always) public var processor: Cell<ProcessorState> { unsafe Cell(machine.processorBase) }
  /// The state of processor `index`.
  @inline(__always) func processor(_ index: UInt32) -> Cell<ProcessorState> {
    unsafe Cell(machine.processorBase(of: index))
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
    unsafe Cell(machine.memory(at: UInt64(record.value.environmentPage) &<< 12))
  }
  /// The environment page of environment `index`.
  @inline(__always) public func page(of index: UInt32) -> Cell<EnvironmentPage> {
    // Safe: the record names a frame of its own kind, which lies in the direct map.
    unsafe Cell(machine.memory(at: UInt64(environments[index].environmentPage) &<< 12))
  }

  /// The end of every call that is refused. Not inlined: so that refusals cost the calls that succeed nothing.
  @inline(never) public func refuse(_ error: CallError) -> CallResult {
    header.value.counters.refusals &+= 1
    return CallResult(error)
  }

}
