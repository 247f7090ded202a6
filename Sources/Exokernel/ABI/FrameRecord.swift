/// One frame of physical memory: 32 bytes.
@frozen public struct FrameRecord {
  /// Frames in a large one, whose first record stands for all of them.
  public static let largeWeight: UInt32 = 512
  /// Name that a capability must dominate.
  public var guardName: UInt64
  /// Owner, use and allowed rights in one word: the frames of a run are alike where it and `guardName` are.
  public var identity: FrameIdentity
  /// Mappings of it in environments' page tables, or the environments that share it as their root table.
  public var references: UInt32
  /// Next frame of the owner's list, or of the list of free frames; 0 ends it.
  public var next: UInt32
  /// Previous frame of that list, 0 at its head.
  public var previous: UInt32
  /// For the owner's use.
  public var application: UInt32
  /// Transfers of devices that are under way, and what else keeps it in place.
  public var pins: UInt16
  /// 1 where it may hold data of its last owner; 2 where it is the first of a large frame that is free.
  public var dirty: UInt8
  /// Zero.
  public var reserved: UInt8

  /// A record with these values.
  @inlinable public init(
    guardName: UInt64, identity: FrameIdentity, references: UInt32, next: UInt32, previous: UInt32, application: UInt32,
    pins: UInt16, dirty: UInt8
  ) {
    self.guardName = guardName
    self.identity = identity
    self.references = references
    self.next = next
    self.previous = previous
    self.application = application
    self.pins = pins
    self.dirty = dirty
    reserved = 0
  }

  /// What it is used for, `FrameKind`.
  @inlinable public var kind: UInt8 { @inline(__always) get { identity.kind } }
  /// The environment that owns it.
  @inlinable public var owner: UInt8 { @inline(__always) get { identity.owner } }
  /// True for the first of a large frame that somebody owns.
  @inlinable public var isLarge: Bool {
    @inline(__always) get { kind == FrameKind.large.rawValue || kind == FrameKind.revokedLarge.rawValue }
  }
  /// True for memory that the kernel takes from its owner.
  @inlinable public var isRevoked: Bool { @inline(__always) get { kind >= FrameKind.revoked.rawValue } }
}

/// What a frame is and whose.
@frozen public struct FrameIdentity: Equatable, BitwiseCopyable, Sendable {
  /// The environment that owns it.
  public var owner: UInt8
  /// What it is used for, `FrameKind`.
  public var kind: UInt8
  /// Rights that new mappings may have, the low bits of `Rights`.
  public var allowed: UInt8
  /// Zero.
  public var reserved: UInt8

  /// All of it as one number.
  @inlinable public var word: UInt32 {
    @inline(__always) get {
      UInt32(owner) | UInt32(kind) &<< 8 | UInt32(allowed) &<< 16 | UInt32(reserved) &<< 24
    }
  }

  /// What memory of an environment is on which there is no restriction.
  @inlinable @inline(__always) public static func memory(of environment: UInt32) -> FrameIdentity {
    FrameIdentity(owner: UInt8(truncatingIfNeeded: environment), kind: .memory)
  }

  /// An identity.
  @inlinable @inline(__always)
  public init(owner: UInt8, kind: FrameKind, allowed: UInt8 = 7) {
    self.owner = owner
    self.kind = kind.rawValue
    self.allowed = allowed
    reserved = 0
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
  /// The first of 512 frames that are one.
  case large = 4
  /// Memory that the kernel takes from its owner, who was asked for it in vain or has ended: nobody maps it any more,
  /// gives it away or lets a device work on it.
  case revoked = 5
  /// The same for the first of 512 frames that are one.
  case revokedLarge = 6
}
