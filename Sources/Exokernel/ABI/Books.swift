/// The kernel's books: what it knows of every resource, mapped read-only into every environment at `AddressMap.books`.
///
/// A reader may meet a record in change; counters only grow. The layout is versioned: compare `layoutVersion` before reading on.
@frozen public struct BooksHeader {
  /// Version of every layout in this module.
  public static let currentLayoutVersion: UInt32 = 1

  /// The version the kernel was built with.
  public var layoutVersion: UInt32
  /// The environment that runs now, or `noEnvironment`.
  public var currentEnvironment: UInt32
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
  /// Position in the slice vector that runs now.
  public var currentSlice: UInt32
  /// Length of a slice in time-stamp units.
  public var sliceLength: UInt64
  /// 0: SYSCALL enters the kernel; 1: `int $4` does. For information; libOSes call through the gate.
  public var entryKind: UInt32
  /// Disks found at boot.
  public var diskCount: UInt32
  /// Network interfaces found at boot.
  public var interfaceCount: UInt32
  /// Filter records below this one are looked at for each packet; those above are free.
  public var filterCount: UInt32
  /// What happened since boot.
  public var counters: Counters
}

/// Counts of events since boot.
@frozen public struct Counters {
  /// Slices that ended by the timer.
  public var sliceEnds: UInt64
  /// Slices that ended by a call.
  public var yields: UInt64
  /// Page faults upcalled.
  public var faults: UInt64
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

/// One environment.
@frozen public struct EnvironmentRecord {
  /// What it is doing, `EnvironmentState`.
  public var state: UInt32
  /// Number of times this record has been used.
  public var generation: UInt32
  /// Frame of its root page table.
  public var rootTable: UInt32
  /// Frame of its environment page.
  public var environmentPage: UInt32
  /// Head of the list of frames it owns, 0 where it owns none.
  public var firstFrame: UInt32
  /// Frames it owns.
  public var frames: UInt32
  /// Frames it may own.
  public var frameQuota: UInt32
  /// Positions of the slice vector it holds.
  public var slices: UInt32
  /// Status it ended with.
  public var exitStatus: UInt32
  /// Ticks it ran past its epilogue upcall.
  public var overrun: UInt32
  /// Address where it goes on.
  public var savedInstructionPointer: UInt64
  /// Stack pointer it goes on with.
  public var savedStackPointer: UInt64
  /// Entry for page faults, or 0.
  public var faultEntry: UInt64
  /// Entry for the end of a slice, or 0.
  public var epilogueEntry: UInt64
  /// Event count it sleeps on.
  public var sleepEvents: UInt64
  /// Time-stamp at which it wakes at the latest, 0 for never.
  public var sleepDeadline: UInt64
  /// Slices it was given.
  public var slicesRun: UInt64
  /// Page faults it was told of.
  public var faults: UInt64
  /// Address of the last page fault.
  public var faultAddress: UInt64
  /// Instruction of the last page fault.
  public var faultInstruction: UInt64
  /// Error code of the last page fault.
  public var faultCode: UInt64
  /// The program's name, zero-padded ASCII, first byte least significant.
  public var name: (UInt64, UInt64)
  /// Physical address and length of the program's arguments in the boot command line.
  public var argumentsAddress: UInt32
  /// See `argumentsAddress`.
  public var argumentsLength: UInt32
}

/// What an environment is doing.
public enum EnvironmentState: UInt32, Sendable {
  /// The record is free.
  case free = 0
  /// It can run.
  case runnable = 1
  /// It waits for an event or a time.
  case sleeping = 2
  /// It has ended; its frames are going back.
  case ended = 3
}

/// One frame of physical memory: 32 bytes.
@frozen public struct FrameRecord {
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// Next frame of the owner's list, or of the list of free frames; 0 ends it.
  public var next: UInt32
  /// Previous frame of that list, 0 at its head.
  public var previous: UInt32
  /// For the owner's use.
  public var application: UInt32
  /// The environment that owns it.
  public var owner: UInt16
  /// Mappings of it in environments' page tables.
  public var references: UInt16
  /// Transfers of devices that are under way.
  public var pins: UInt16
  /// What it is used for, `FrameKind`.
  public var kind: UInt8
  /// 1 where it may hold data of its last owner.
  public var dirty: UInt8
  /// Bytes in `guardName`.
  public var guardLength: UInt8
  /// Zero.
  public var reserved: (UInt8, UInt8, UInt8)

  /// A record with these values.
  @inlinable public init(
    guardName: UInt64, next: UInt32, previous: UInt32, application: UInt32, owner: UInt16, references: UInt16,
    pins: UInt16, kind: UInt8, dirty: UInt8, guardLength: UInt8
  ) {
    self.guardName = guardName
    self.next = next
    self.previous = previous
    self.application = application
    self.owner = owner
    self.references = references
    self.pins = pins
    self.kind = kind
    self.dirty = dirty
    self.guardLength = guardLength
    reserved = (0, 0, 0)
  }
}

/// What a frame is used for.
public enum FrameKind: UInt8, Sendable {
  /// Nobody's.
  case free = 0
  /// An environment's memory.
  case memory = 1
  /// An environment's page table.
  case pageTable = 2
  /// An environment's environment page.
  case environmentPage = 3
}

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
  /// The environment that holds it.
  public var owner: UInt32
  /// The disk.
  public var disk: UInt16
  /// `Rights` it was bound with.
  public var rights: UInt16

  /// A record with these values.
  @inlinable public init(first: UInt64, count: UInt64, owner: UInt32, disk: UInt16, rights: UInt16) {
    self.first = first
    self.count = count
    self.owner = owner
    self.disk = disk
    self.rights = rights
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

  /// A record with these values.
  @inlinable public init(ownerPlusOne: UInt32, ringFrame: UInt32, packets: UInt64) {
    self.ownerPlusOne = ownerPlusOne
    self.ringFrame = ringFrame
    self.packets = packets
  }
}

/// How many there are of each, and where their records start, in bytes from the start of the books.
public enum BooksLayout {
  /// No environment.
  public static let noEnvironment: UInt32 = 0xffff_ffff
  /// Environment records.
  public static let environments: UInt64 = 32
  /// Positions of the slice vector.
  public static let slices: UInt64 = 64
  /// Disks.
  public static let disks: UInt64 = 4
  /// Network interfaces.
  public static let interfaces: UInt64 = 2
  /// Extents.
  public static let extents: UInt64 = 32
  /// Filters.
  public static let filters: UInt64 = 16

  /// `EnvironmentRecord`s.
  public static let environmentsOffset: UInt64 = 0x1000
  /// `UInt32` owners plus one of the slice vector's positions, 0 where free.
  public static let slicesOffset: UInt64 = 0x200
  /// `DiskRecord`s.
  public static let disksOffset: UInt64 = 0x300
  /// `InterfaceRecord`s.
  public static let interfacesOffset: UInt64 = 0x380
  /// `ExtentRecord`s.
  public static let extentsOffset: UInt64 = 0x400
  /// `FilterRecord`s.
  public static let filtersOffset: UInt64 = 0x800
  /// `Capability`s, `CapabilitySlot.count` for each environment.
  public static let capabilitiesOffset: UInt64 = 0x3000
  /// Size of the books in bytes: whole pages.
  public static let size: UInt64 = 0x6000
}
