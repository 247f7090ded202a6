import ExokernelABI

/// What the kernel's logic needs of a hardware. Guest ring 0 has one implementation, the host's tests another.
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
  /// Physical address of the disks' rings, `DiskDriver.ringsSize` each, prepared as RingZero/Start/rings.S says.
  var diskRings: UInt64 { get }
  /// Physical address of the interfaces' rings, `InterfaceDriver.ringsSize` each, prepared as RingZero/Start/rings.S
  /// says.
  var networkRings: UInt64 { get }
  /// Where the entry of the last level for `address`, an ordinary page of the running environment's, is in the page
  /// table in force; nil, or a place from which `load(entry:)` loads all ones, where a table is missing.
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
  /// Writes the `count` bytes behind the first four of `record` to the console; those four are free for the hardware's
  /// use.
  func consoleWrite(_ record: UnsafeMutableRawPointer, count: UInt32)
  /// Tells the VMM, where it listens, that `instruction` ends the environment whose record is at this physical address,
  /// or the kernel (0).
  func tellCrash(at instruction: UInt64, record: UInt64)
  /// Reads a register of a virtio device.
  func deviceLoad(_ physicalAddress: UInt64) -> UInt32
  /// Writes a register of a virtio device.
  func deviceStore(_ physicalAddress: UInt64, _ value: UInt32)
  /// Stores before are seen by devices before stores after.
  func orderStores()
  /// Stores before are seen by devices before loads after are made.
  func orderAll()
}
