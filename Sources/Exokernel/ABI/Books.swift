/// The kernel's books: what it knows of every resource, mapped read-only into every environment at `AddressMap.books`.
///
/// A reader may meet a record in change; counters only grow. The layout is versioned: compare `layoutVersion` before
/// reading on.
@frozen public struct BooksHeader {
  /// Version of every layout in this module.
  public static let currentLayoutVersion: UInt32 = 2

  /// The version the kernel was built with.
  public var layoutVersion: UInt32
  /// Processors that run environments.
  public var processorCount: UInt32
  /// Frames of physical memory, 4 KiB each, counted from frame 0.
  public var frameCount: UInt32
  /// Frames below this one belong to the kernel and to the boot archive.
  public var firstFrame: UInt32
  /// Frames at and above this one have never been allocated, unless a named allocation marked them.
  public var frontier: UInt32
  /// Head of the list of frames that were given back, or 0.
  public var freeHead: UInt32
  /// Free frames in all.
  public var freeFrames: UInt32
  /// Environments that have not ended.
  public var liveEnvironments: UInt32
  /// A time-stamp difference times this, shifted right by `timeShift`, is nanoseconds.
  public var timeMultiplier: UInt64
  /// See `timeMultiplier`; 0...63.
  public var timeShift: UInt32
  /// Large frames below this frame have never been allocated, down to `frontier`; those above are taken, or on the list
  /// of `largeHead`.
  public var largeFrontier: UInt32
  /// Length of a slice in time-stamp units.
  /// Assembly files have it as BOOKS_SLICE_LENGTH.
  public var sliceLength: UInt64
  /// 0: SYSCALL enters the kernel; 1: `int $4` does. For information; libOSes call through the gate.
  public var entryKind: UInt32
  /// Disks found at boot.
  public var diskCount: UInt32
  /// Network interfaces found at boot.
  public var interfaceCount: UInt32
  /// Filter records below this one are looked at for each packet; those above are free.
  public var filterCount: UInt32
  /// Head of the list of large frames that were given back, or 0.
  public var largeHead: UInt32
  /// 1 where the console is no terminal, on which nobody can draw; 0 where it is one, or nobody knows.
  public var consoleKind: UInt32
  /// What happened since boot.
  public var counters: Counters
}

/// What one processor does now.
@frozen public struct ProcessorRecord {
  /// Position in its slice vector whose turn it is, in the low half, and that position's owner in the high one. Who
  /// runs is the environment whose `processorPlusOne` says so.
  public var turn: UInt64
  /// Bit n is set where position n of its slice vector has an owner.
  public var slicesTaken: UInt64
}

/// Counts of events since boot.
@frozen public struct Counters {
  /// Control transfers.
  public var transfers: UInt64
  /// Resources taken by force.
  public var repossessions: UInt64
  /// Device interrupts.
  public var interrupts: UInt64
  /// Block requests finished.
  public var blocks: UInt64
  /// Packets put into an environment's ring.
  public var packetsReceived: UInt64
  /// Packets that no filter wanted.
  public var packetsUnwanted: UInt64
  /// Packets whose ring was full.
  public var packetsDropped: UInt64
  /// Packets sent.
  public var packetsSent: UInt64
  /// Calls refused, whatever the reason; numbers that are no call's are not counted.
  public var refusals: UInt64
}

/// How many there are of each, and where their records start, in bytes from the start of the books.
public enum BooksLayout {
  /// No environment.
  public static let noEnvironment: UInt32 = 0xffff_ffff
  /// Environment records.
  public static let environments: UInt64 = 64
  /// Processors.
  public static let processors: UInt64 = 4
  /// Positions of the slice vector of one processor.
  public static let slices: UInt64 = 64
  /// Disks.
  public static let disks: UInt64 = 4
  /// Network interfaces.
  public static let interfaces: UInt64 = 2
  /// Extents.
  public static let extents: UInt64 = 64
  /// Filters.
  public static let filters: UInt64 = 16
  /// Regions.
  public static let regions: UInt64 = 64

  /// `ProcessorRecord`s.
  public static let processorsOffset: UInt64 = 0x200
  /// `DiskRecord`s.
  public static let disksOffset: UInt64 = 0x300
  /// `InterfaceRecord`s.
  public static let interfacesOffset: UInt64 = 0x380
  /// `FilterRecord`s.
  public static let filtersOffset: UInt64 = 0x400
  /// `RegionRecord`s.
  public static let regionsOffset: UInt64 = 0x800
  /// `SliceRecord`s, `slices` for each processor.
  public static let slicesOffset: UInt64 = 0x1000
  /// `ExtentRecord`s.
  public static let extentsOffset: UInt64 = 0x2000
  /// `EnvironmentRecord`s.
  public static let environmentsOffset: UInt64 = 0x3000
  /// `Capability`s, `CapabilitySlot.count` for each environment.
  public static let capabilitiesOffset: UInt64 = 0x7000
  /// `UInt64`s, `environments` for each processor: the time that each environment ran past the ends of slices of that
  /// processor and has not paid for yet, in time-stamp units.
  public static let debtsOffset: UInt64 = 0xd000
  /// Size of the books in bytes: whole pages.
  public static let size: UInt64 = 0xe000
}
