/// One environment: 256 bytes.
@frozen public struct EnvironmentRecord {
  /// What it is doing, `EnvironmentState`.
  public var state: UInt32
  /// The processor it runs on plus 1, 0 where it does not run.
  public var processorPlusOne: UInt32
  /// Its handle: the record's number and its present generation.
  public var handle: UInt64
  /// Frame of its root page table.
  public var rootTable: UInt32
  /// Frame of its environment page.
  /// Assembly files have it as RECORD_PAGE.
  public var environmentPage: UInt32
  /// Where that page is mapped.
  public var pageAddress: UInt64
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// Head of the list of frames it owns, 0 where it owns none.
  public var firstFrame: UInt32
  /// Status it ended with.
  public var exitStatus: UInt32
  /// Address where it goes on.
  public var savedInstructionPointer: UInt64
  /// Stack pointer it goes on with.
  public var savedStackPointer: UInt64
  /// Entry for page faults, or 0.
  public var faultEntry: UInt64
  /// Entry for the end of a slice, or 0.
  /// Assembly files have it as RECORD_EPILOGUE.
  public var epilogueEntry: UInt64
  /// Entry for the beginning of a slice, or 0: then it goes on where it gave the processor up.
  public var prologueEntry: UInt64
  /// Entry for requests to give resources back, or 0.
  public var revocationEntry: UInt64
  /// Where protected control transfers arrive, or 0.
  public var transferEntry: UInt64
  /// Their stack pointer.
  public var transferStack: UInt64
  /// From whom they are accepted: guards that have these bytes where `acceptMask` has ones.
  public var acceptName: UInt64
  /// See `acceptName`.
  public var acceptMask: UInt64
  /// Handle of the environment whose transfer it waits for, 0 where it waits for none.
  public var awaited: UInt64
  /// Event count it sleeps on.
  public var sleepEvents: UInt64
  /// Time-stamp at which it wakes at the latest, 0 for never.
  public var sleepDeadline: UInt64
  /// Slices it was given.
  public var slicesRun: UInt64
  /// Page faults it was told of.
  public var faults: UInt64
  /// Bytes that it wrote to the console beyond its budget, and that were dropped.
  public var consoleDropped: UInt64
  /// Zero.
  public var reservedWord: UInt64
  /// What it may own and does own, by `ResourceKind`.
  public var quotas: PerResource<Quota>
  /// The environment that made it, plus 1: what it may own goes back to that one. 0 at boot.
  public var creatorPlusOne: UInt32
  /// Number of the boot program's record that it is, or descends from, whether that still runs or not: devices are
  /// divided among these.
  public var account: UInt32
  /// The program's name, zero-padded ASCII, first byte least significant.
  public var name: (UInt64, UInt64)

  /// `state` in the low half, `processorPlusOne` in the high one: for the kernel, which looks at both and changes both
  /// at once.
  @inlinable public var activity: UInt64 {
    @inline(__always) get { UInt64(processorPlusOne) &<< 32 | UInt64(state) }
    @inline(__always) set {
      state = UInt32(truncatingIfNeeded: newValue)
      processorPlusOne = UInt32(truncatingIfNeeded: newValue &>> 32)
    }
  }
  /// Number of times this record has been used; see `Handle`.
  @inlinable public var generation: UInt32 { UInt32(truncatingIfNeeded: handle &>> 8) }
  /// Frames it owns, and has given to those that it made.
  @inlinable public var frames: UInt32 { quotas[.frames].used }
  /// Quota of a kind.
  @inlinable public func quota(_ kind: ResourceKind) -> Quota { quotas[kind] }
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
  /// It waits for a predicate.
  case waiting = 4
  /// It waits for an environment to transfer to it.
  case calling = 5
  /// It was created and not yet started.
  case created = 6
}
