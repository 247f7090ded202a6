import ExokernelABI

/// What only the kernel may see or change.
@frozen public struct PrivateState {
  /// Environments that ended and still own frames: bit n for record n.
  public var reaping: UInt64
  /// Environments that mapped a frame of another environment's, or had one of theirs mapped by another, or share a page
  /// table.
  public var sharing: UInt64
  /// Those of `reaping` whose page tables have let go of every frame that they mapped, or are still another
  /// environment's.
  public var unmapped: UInt64
  /// Those of `reaping` whose page tables other environments still share.
  public var sharesTable: UInt64
  /// How far `Kernel.reap` has come with them.
  public var reaper: ReaperPosition
  /// Status with which the machine ends: the first failure of an environment.
  public var machineStatus: UInt32
  /// Bit n is set where interface n has received packets that an interrupt left for later.
  public var moreReceived: UInt32
  /// Environments that are asked to give something back: bit n where `revocations` has a request to record n.
  public var asked: UInt64
  /// Environments that were destroyed while another processor runs them.
  public var destroyed: UInt64
  /// Head of the list of large frames that came back and are not cleared yet, or 0.
  public var largeDirty: UInt32
  /// Frames of the first of them that are cleared.
  public var largeCleaned: UInt32
  /// Nonzero where the shortest ways through the kernel may not be taken: `hasChores` is true, packets wait in
  /// `moreReceived`, or `lacksDeadlineTimer` is 1. So one look is enough for those ways.
  /// Assembly files have it as PRIVATE_NEEDS_CHORES.
  public var needsChores: UInt64
  /// 1 where the timer does not compare time-stamps: the shortest ways, which set it by one instruction, are never
  /// taken.
  public var lacksDeadlineTimer: UInt64
  /// 1 once the first program has its capability for everything.
  public var hasFirst: UInt32
  /// 1 once every boot program was started: from then on a machine without environments has nothing left to do.
  public var hasBooted: UInt32
  /// Those of `asked` whose frames the kernel chooses: they get no others meanwhile.
  public var choosing: UInt64
  /// The sweep through page tables that looks for revoked frames.
  public var sweep: SweepState
  /// 1 where nothing of `reaping` can go back before something happens that sets this to 0: then there are no chores
  /// for it.
  public var reaperWaits: UInt64
}

/// A sweep through all page tables that may map another environment's frames, or those of one that is asked.
@frozen public struct SweepState {
  /// The first address that was not looked at yet, in the page table of `environment`.
  public var address: UInt64
  /// The environment whose page table it is.
  public var environment: UInt32
  /// 1 while a sweep is under way.
  public var isActive: UInt32
  /// Sweeps begun so far.
  public var begun: UInt64
  /// Sweeps ended so far.
  public var ended: UInt64
  /// The sweep with this number is needed, and so are all before it.
  public var wanted: UInt64
  /// Living environments whose page tables this sweep has been through.
  public var passed: UInt64
}

/// What only the kernel may see or change of one processor. Other processors change `slicesTaken`, `isAlone` and
/// `sliceDebt`, and set `flush`, with the lock; the processor clears its `flush` without. The rest it changes alone:
/// `entry_timer` changes `timer`, `epiloguePending` and `overrun` without the lock. Assembly files know where the
/// fields are that they use, and `AssemblyConstantTests` that they do.
@frozen public struct ProcessorState {
  /// Position in the slice vector whose turn it is.
  public var slice: UInt32
  /// The environment that runs here, or `BooksLayout.noEnvironment`.
  public var environment: UInt32
  /// Where the record of that environment is, so that the paths that are taken most need not look for it; stale where
  /// none runs.
  /// Assembly files have it as STATE_RECORD.
  public var record: UInt
  /// Physical address of the page table in force.
  public var activeRoot: UInt64
  /// Bit n is set where position n of the slice vector has an owner.
  public var slicesTaken: UInt64
  /// Where the `SliceNode` of the position is whose turn it is.
  public var node: UInt
  /// Time-stamp at which the slice ends, or ended.
  public var sliceEnd: UInt64
  /// What the record of an environment that runs here starts with: `runnable`, and this processor's number plus 1.
  public var running: UInt64
  /// Where this processor's `ProcessorRecord` is.
  public var exposed: UInt
  /// Of ring 0: nonzero asks the processor to forget its translations.
  /// Assembly files have it as STATE_FLUSH.
  public var flush: UInt64
  /// Of ring 0: time-stamp that the timer was set to last.
  /// Assembly files have it as STATE_TIMER.
  public var timer: UInt64
  /// This processor's number.
  public var index: UInt32
  /// 1 while it waits for an interrupt; 2 where a predicate waits with it for what another processor may write.
  public var isIdle: UInt32
  /// The three words from here on are looked at as one: zero where the end of a slice is a usual one.
  ///
  /// 1 from an epilogue upcall until the environment gives up the CPU; 2 while the upcall is put off. While it is not
  /// 0, who ran at the end of the slice runs on: the slice is not given to others any more.
  /// Assembly files have it as STATE_PENDING.
  public var epiloguePending: UInt16
  /// Slices in a row that the environment ran past the end of this one; 0 while `epiloguePending` is.
  public var overrun: UInt16
  /// 1 where at most one position of the slice vector has an owner. Zero with the two before: the end of a slice is a
  /// usual one.
  public var isAlone: UInt32
  /// Where the debt on this processor is of the environment whose position this slice is of; nobody's once that has
  /// ended. Others may run in the slice.
  public var sliceDebt: UInt
  /// Zero.
  public var reserved: (UInt64, UInt64, UInt64)

  /// Bytes of a processor's state.
  public static let size = 128
  /// Where `flush` is, for other processors.
  public static let flushOffset: UInt = 64

  /// `epiloguePending` and `overrun` at once.
  var lateness: UInt32 {
    @inline(__always) get { UInt32(overrun) &<< 16 | UInt32(epiloguePending) }
    @inline(__always) set {
      epiloguePending = UInt16(truncatingIfNeeded: newValue)
      overrun = UInt16(truncatingIfNeeded: newValue &>> 16)
    }
  }

  /// `slice` and `environment` at once.
  var turn: UInt64 {
    @inline(__always) get { UInt64(environment) &<< 32 | UInt64(slice) }
    @inline(__always) set {
      slice = UInt32(truncatingIfNeeded: newValue)
      environment = UInt32(truncatingIfNeeded: newValue &>> 32)
    }
  }
}

/// A position of a slice vector as the scheduler sees it, one step away from the next one.
@frozen public struct SliceNode: BitwiseCopyable {
  /// Where the owner's record is.
  public var record: UInt
  /// The position in the low half and its owner in the high one, as in `ProcessorRecord`.
  public var turn: UInt64
  /// Where the node of the next position is that has an owner; of nobody's where there is none. Kept right for
  /// positions without an owner, too.
  public var next: UInt
  /// Where the owner's debt on this processor is; 0 where the position has no owner.
  public var debt: UInt
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
  /// Four bytes for the hardware's use, then the console's line buffer of `LineWriter.capacity` bytes.
  public static let consoleRecord = 0x19fc
  /// One `FilterScratch`.
  public static let filterScratch = 0x1c00
  /// Verified filters, one per filter record.
  public static let filterPrograms = 0x2000
  /// `PredicateBinding`s, one per environment.
  public static let predicates = 0x10000
  /// `RevocationRequest`s, one per environment.
  public static let revocations = 0x1_8000
  /// `UInt64`s: who may fill a slot, one for each slot of each environment.
  public static let acceptances = 0x1_a000
  /// `SliceNode`s, `BooksLayout.slices` for each processor.
  public static let sliceNodes = 0x1_c000
  /// A `SliceNode` that is nobody's, and the `EnvironmentRecord` of nobody to which it leads.
  public static let nobodysNode = 0x1_e000
  /// A `UInt64`: what nobody pays.
  public static let nobodysDebt = 0x1_e1f8
  /// `ConsoleAccount`s, one per environment.
  public static let consoleAccounts = 0x1_e200
  /// `UInt8`s: which device is on an interrupt line, 64 of them.
  public static let lines = 0x1_e800
  /// `DeviceUse`s, one per environment for each disk and each interface.
  public static let deviceUses = 0x1_e900
  /// 64 bytes for the hardware's use at boot, when the clock's rate is asked for.
  public static let clock = 0x1_ffc0
  /// Size in bytes.
  public static let size = 0x2_0000
}
