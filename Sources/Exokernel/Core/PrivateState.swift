import ExokernelABI

/// What only the kernel may see or change.
@frozen public struct PrivateState {
  /// Bit n is set where position n of the slice vector has an owner.
  public var slicesTaken: UInt64
  /// The environment whose page table is in force, or `BooksLayout.noEnvironment`.
  public var activeEnvironment: UInt32
  /// 1 from an epilogue upcall until the environment gives up the CPU; 2 while the upcall is put off.
  public var epiloguePending: UInt32
  /// Physical address of that page table.
  public var activeRoot: UInt64
  /// Environments that ended and still own frames: bit n for record n.
  public var reaping: UInt64
  /// Environments that mapped a frame of another environment's, or had one of theirs mapped by another.
  public var sharing: UInt64
  /// Those of `reaping` whose page tables have let go of every frame that they mapped.
  public var unmapped: UInt64
  /// How far `Kernel.reap` has come with them.
  public var reaper: ReaperPosition
  /// Status with which the machine ends: the first failure of an environment.
  public var machineStatus: UInt32
  /// Bit n is set where interface n has received packets that an interrupt left for later.
  public var moreReceived: UInt32
}

/// Where the taking back of ended environments' frames goes on.
@frozen public struct ReaperPosition {
  /// First address of `environment` whose mapping is still in its page tables.
  public var address: UInt64
  /// The environment whose turn it is.
  public var environment: UInt32
  /// The frame of its list whose turn it is, or 0 for the list's head.
  public var frame: UInt32
  /// Steps of this round that took something back.
  public var progress: UInt32
}

/// Where the parts of the kernel's own state are, in bytes from `Hardware.privateBase`.
public enum PrivateLayout {
  /// `DiskDriver`s, one per disk.
  public static let diskDrivers = 0x100
  /// `DiskRequest`s, `DiskDriver.requests` per disk.
  public static let diskRequests = 0x200
  /// `InterfaceDriver`s, one per interface.
  public static let interfaceDrivers = 0xa00
  /// `RingBinding`s, one per filter.
  public static let ringBindings = 0xb00
  /// `UInt32`s: data frames of the rings, `RingBinding.maximumFrames` per filter.
  public static let ringFrames = 0xe00
  /// `UInt8`s: which environment, plus 1, sent the chain that starts at a descriptor, 256 per interface.
  public static let sendOwners = 0x1600
  /// Four bytes for the machine's use, then the console's line buffer of `LineWriter.capacity` bytes.
  public static let consoleRecord = 0x19fc
  /// One `FilterScratch`.
  public static let filterScratch = 0x1c00
  /// Verified filters, one per filter record.
  public static let filterPrograms = 0x2000
  /// Size in bytes.
  public static let size = 0x10000
}
