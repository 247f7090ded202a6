// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

// Each structure holds registers, and takes them apart where a value is asked for: so nothing is decoded that
// nobody looks at. The values are plain integers, whatever the caller has put there, and whoever uses one checks
// it.

/// An environment whose page table a call means, other than the caller's own, which is `Handle.own`.
@frozen public struct TableArgument: BitwiseCopyable, Sendable {
  /// environment | slot << 32.
  public let rawValue: UInt64

  /// What the registers hold.
  @inline(__always) public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(environment: UInt64, slot: UInt64) {
    rawValue = environment & 0xffff_ffff | slot &<< 32
  }

  /// An environment's handle.
  @inline(__always) public var environment: UInt64 { rawValue & 0xffff_ffff }

  /// The slot of a capability over the environment.
  @inline(__always) public var slot: UInt64 { rawValue &>> 32 }
}

/// The arguments of `CallNumber.capabilityDerive`, some of which share a register.
@frozen public struct CapabilityDeriveArguments: BitwiseCopyable, Sendable {
  /// slot.
  public let rdi: UInt64
  /// into.
  public let rsi: UInt64
  /// name.
  public let rdx: UInt64
  /// length | rights << 32.
  public let rcx: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(slot: UInt64, into: UInt64, name: UInt64, length: UInt64, rights: UInt64) {
    rdi = slot
    rsi = into
    rdx = name
    rcx = length & 0xffff_ffff | rights &<< 32
  }

  /// The slot of the capability that is presented.
  @inline(__always) public var slot: UInt64 { rdi }

  /// A slot that is empty, below `CapabilitySlot.count`.
  @inline(__always) public var into: UInt64 { rsi }

  /// A capability's or a guard's name, first byte most significant.
  @inline(__always) public var name: UInt64 { rdx }

  /// Bytes of the name, 0...8.
  @inline(__always) public var length: UInt64 { rcx & 0xffff_ffff }

  /// A set of `Rights`.
  @inline(__always) public var rights: UInt64 { rcx &>> 32 }
}

/// The arguments of `CallNumber.revoke`, some of which share a register.
@frozen public struct RevokeArguments: BitwiseCopyable, Sendable {
  /// slot.
  public let rdi: UInt64
  /// environment.
  public let rsi: UInt64
  /// kind | count << 32.
  public let rdx: UInt64
  /// deadline.
  public let rcx: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(slot: UInt64, environment: UInt64, kind: UInt64, count: UInt64, deadline: UInt64) {
    rdi = slot
    rsi = environment
    rdx = kind & 0xffff_ffff | count &<< 32
    rcx = deadline
  }

  /// The slot of a capability over the environment.
  @inline(__always) public var slot: UInt64 { rdi }

  /// An environment's handle.
  @inline(__always) public var environment: UInt64 { rsi }

  /// A `ResourceKind`.
  @inline(__always) public var kind: UInt64 { rdx & 0xffff_ffff }

  /// How many.
  @inline(__always) public var count: UInt64 { rdx &>> 32 }

  /// A time-stamp.
  @inline(__always) public var deadline: UInt64 { rcx }
}

/// The arguments of `CallNumber.frameMap`, some of which share a register.
@frozen public struct FrameMapArguments: BitwiseCopyable, Sendable {
  /// slot.
  public let rdi: UInt64
  /// frame.
  public let rsi: UInt64
  /// address.
  public let rdx: UInt64
  /// rights | count << 32.
  public let rcx: UInt64
  /// table.
  public let r8: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64, r8: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
    self.r8 = r8
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(
    slot: UInt64, frame: UInt64, address: UInt64, rights: UInt64, count: UInt64, table: UInt64
  ) {
    rdi = slot
    rsi = frame
    rdx = address
    rcx = rights & 0xffff_ffff | count &<< 32
    r8 = table
  }

  /// The slot of the capability that is presented.
  @inline(__always) public var slot: UInt64 { rdi }

  /// A frame's number.
  @inline(__always) public var frame: UInt64 { rsi }

  /// A virtual address on a boundary of 4 KiB.
  @inline(__always) public var address: UInt64 { rdx }

  /// A set of `Rights`.
  @inline(__always) public var rights: UInt64 { rcx & 0xffff_ffff }

  /// How many pages, 0 as 1, at most 64.
  @inline(__always) public var count: UInt64 { rcx &>> 32 }

  /// Whose page table: `Handle.own`, or a `TableArgument`.
  @inline(__always) public var table: UInt64 { r8 }
}

/// The arguments of `CallNumber.frameProtect`, some of which share a register.
@frozen public struct FrameProtectArguments: BitwiseCopyable, Sendable {
  /// slot.
  public let rdi: UInt64
  /// address.
  public let rsi: UInt64
  /// rights | count << 32.
  public let rdx: UInt64
  /// table.
  public let rcx: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(slot: UInt64, address: UInt64, rights: UInt64, count: UInt64, table: UInt64) {
    rdi = slot
    rsi = address
    rdx = rights & 0xffff_ffff | count &<< 32
    rcx = table
  }

  /// The slot of the capability that is presented.
  @inline(__always) public var slot: UInt64 { rdi }

  /// A virtual address on a boundary of 4 KiB.
  @inline(__always) public var address: UInt64 { rsi }

  /// A set of `Rights`.
  @inline(__always) public var rights: UInt64 { rdx & 0xffff_ffff }

  /// How many pages, 0 as 1, at most 64.
  @inline(__always) public var count: UInt64 { rdx &>> 32 }

  /// Whose page table: `Handle.own`, or a `TableArgument`.
  @inline(__always) public var table: UInt64 { rcx }
}

/// The arguments of `CallNumber.frameGuard`, some of which share a register.
@frozen public struct FrameGuardArguments: BitwiseCopyable, Sendable {
  /// slot.
  public let rdi: UInt64
  /// frame.
  public let rsi: UInt64
  /// name.
  public let rdx: UInt64
  /// length | allowed << 32.
  public let rcx: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(slot: UInt64, frame: UInt64, name: UInt64, length: UInt64, allowed: UInt64) {
    rdi = slot
    rsi = frame
    rdx = name
    rcx = length & 0xffff_ffff | allowed &<< 32
  }

  /// The slot of the capability that is presented.
  @inline(__always) public var slot: UInt64 { rdi }

  /// A frame's number.
  @inline(__always) public var frame: UInt64 { rsi }

  /// A capability's or a guard's name, first byte most significant.
  @inline(__always) public var name: UInt64 { rdx }

  /// Bytes of the name, 0...8.
  @inline(__always) public var length: UInt64 { rcx & 0xffff_ffff }

  /// A set of `Rights`.
  @inline(__always) public var allowed: UInt64 { rcx &>> 32 }
}

/// The arguments of `CallNumber.regionBind`, some of which share a register.
@frozen public struct RegionBindArguments: BitwiseCopyable, Sendable {
  /// slot.
  public let rdi: UInt64
  /// frame.
  public let rsi: UInt64
  /// offset | count << 32.
  public let rdx: UInt64
  /// name.
  public let rcx: UInt64
  /// length.
  public let r8: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64, r8: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
    self.r8 = r8
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(
    slot: UInt64, frame: UInt64, offset: UInt64, count: UInt64, name: UInt64, length: UInt64
  ) {
    rdi = slot
    rsi = frame
    rdx = offset & 0xffff_ffff | count &<< 32
    rcx = name
    r8 = length
  }

  /// The slot of the capability that is presented.
  @inline(__always) public var slot: UInt64 { rdi }

  /// A frame's number.
  @inline(__always) public var frame: UInt64 { rsi }

  /// Bytes from the beginning.
  @inline(__always) public var offset: UInt64 { rdx & 0xffff_ffff }

  /// How many bytes.
  @inline(__always) public var count: UInt64 { rdx &>> 32 }

  /// A capability's or a guard's name, first byte most significant.
  @inline(__always) public var name: UInt64 { rcx }

  /// Bytes of the name, 0...8.
  @inline(__always) public var length: UInt64 { r8 }
}

/// The arguments of `CallNumber.blockSubmit`, some of which share a register.
@frozen public struct BlockSubmitArguments: BitwiseCopyable, Sendable {
  /// slot | extent << 32.
  public let rdi: UInt64
  /// block.
  public let rsi: UInt64
  /// frame.
  public let rdx: UInt64
  /// count | isWrite << 32.
  public let rcx: UInt64
  /// tag.
  public let r8: UInt64

  /// What the registers hold.
  @inline(__always) public init(rdi: UInt64, rsi: UInt64, rdx: UInt64, rcx: UInt64, r8: UInt64) {
    self.rdi = rdi
    self.rsi = rsi
    self.rdx = rdx
    self.rcx = rcx
    self.r8 = r8
  }

  /// Values as they go into registers: of one that shares a register, what does not fit is cut off.
  @inline(__always) public init(
    slot: UInt64, extent: UInt64, block: UInt64, frame: UInt64, count: UInt64, isWrite: UInt64, tag: UInt64
  ) {
    rdi = slot & 0xffff_ffff | extent &<< 32
    rsi = block
    rdx = frame
    rcx = count & 0xffff_ffff | isWrite &<< 32
    r8 = tag
  }

  /// The slot of the capability that is presented.
  @inline(__always) public var slot: UInt64 { rdi & 0xffff_ffff }

  /// An extent's handle.
  @inline(__always) public var extent: UInt64 { rdi &>> 32 }

  /// A block's number, of 512 bytes.
  @inline(__always) public var block: UInt64 { rsi }

  /// A frame's number.
  @inline(__always) public var frame: UInt64 { rdx }

  /// How many blocks, 1...8.
  @inline(__always) public var count: UInt64 { rcx & 0xffff_ffff }

  /// 0 to read, anything else to write.
  @inline(__always) public var isWrite: UInt64 { rcx &>> 32 }

  /// Where the environment page tells the result, below `EnvironmentPage.blockTags`.
  @inline(__always) public var tag: UInt64 { r8 }
}
