/// What a capability allows with the resources whose guards it dominates. Bits; not an `OptionSet`, whose literals
/// allocate.
@frozen public struct Rights: Equatable, Sendable {
  /// The rights as bits.
  public var rawValue: UInt32
  /// Rights made of `rawValue`.
  @inline(__always) public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// None.
  public static var none: Rights { @inline(__always) get { Rights(rawValue: 0) } }
  /// Map for reading; read blocks; receive packets.
  public static var read: Rights { @inline(__always) get { Rights(rawValue: 1) } }
  /// Map for writing; write blocks; send packets.
  public static var write: Rights { @inline(__always) get { Rights(rawValue: 2) } }
  /// Map for execution.
  public static var execute: Rights { @inline(__always) get { Rights(rawValue: 4) } }
  /// Allocate under this name, free, and change the guard.
  public static var allocate: Rights { @inline(__always) get { Rights(rawValue: 8) } }
  /// Give copies of the capability to others.
  public static var grant: Rights { @inline(__always) get { Rights(rawValue: 16) } }
  /// Destroy capabilities under the name everywhere; ask environments for resources, and take them.
  public static var revoke: Rights { @inline(__always) get { Rights(rawValue: 32) } }
  /// Transfer control to an environment, and wake it.
  public static var call: Rights { @inline(__always) get { Rights(rawValue: 64) } }
  /// Start and end an environment, change its page table, guard and quota.
  public static var control: Rights { @inline(__always) get { Rights(rawValue: 128) } }
  /// Every right.
  public static var all: Rights { @inline(__always) get { Rights(rawValue: 255) } }
  /// True where nothing is allowed.
  @inline(__always) public var isEmpty: Bool { rawValue == 0 }
  /// True where all of `other` are among them.
  @inline(__always) public func contains(_ other: Rights) -> Bool { rawValue & other.rawValue == other.rawValue }
  /// Both.
  @inline(__always) public static func | (left: Rights, right: Rights) -> Rights {
    Rights(rawValue: left.rawValue | right.rawValue)
  }
}

/// A hierarchical name of up to eight bytes with rights: it dominates every name that it is a prefix of.
///
/// A byte of a name is anything but 0xff. A guard is a name whose unused bytes are 0xff: so no capability with a longer
/// name dominates it, and one comparison under a mask decides.
///
/// The first byte of the name is the most significant one. Kept in the books; environments name the slot, never the
/// capability.
@frozen public struct Capability: Sendable {
  /// The name's bytes, unused ones zero.
  public var name: UInt64
  /// Ones where the name has bytes. Zero in an empty slot as well as in the root; `rights` tells them apart.
  public var mask: UInt64
  /// What it allows; empty in an empty slot.
  public var rights: Rights
  /// Number of bytes in the name, 0...8.
  public var length: UInt32

  /// The capability with the first `length` bytes of `name` and `rights`.
  @inline(__always) public init(name: UInt64, length: UInt32, rights: Rights) {
    let length = length > 8 ? 8 : length
    mask = length == 0 ? 0 : ~0 &<< (64 &- 8 &* UInt64(length))
    self.name = name & mask
    self.length = length
    self.rights = rights
  }

  /// An empty slot.
  public static var empty: Capability { Capability(name: 0, length: 0, rights: .none) }

  /// The name as a guard.
  @inline(__always) public var guardName: UInt64 { name | ~mask }

  /// True where every byte of the name is one that names may have.
  public var isValid: Bool {
    // A byte is 0xff where its complement is zero: the usual search for a zero byte.
    let rest = ~name
    return (rest &- 0x0101_0101_0101_0101) & name & 0x8080_8080_8080_8080 & mask == 0
  }

  /// True where this capability's name is a prefix of the guard and its rights cover `needed`.
  @inline(__always) public func allows(_ needed: Rights, guardName: UInt64) -> Bool {
    (guardName ^ name) & mask == 0 && rights.contains(needed)
  }

  /// Number of bytes in a guard's name, 0...8.
  public static func length(ofGuard guardName: UInt64) -> UInt64 {
    UInt64(truncatingIfNeeded: (71 &- (~guardName).trailingZeroBitCount) / 8)
  }
}

extension Capability {
  /// True where every name that `other` dominates is dominated by this one, and `other` has no right that this one
  /// lacks.
  @inline(__always) public func dominates(_ other: Capability) -> Bool {
    allows(other.rights, guardName: other.guardName)
  }
}

/// First bytes of the names that the kernel gives out at boot.
public enum CapabilityName {
  /// Environments, and what they allocate: this byte, the environment's number, three bytes of its generation.
  public static let environment: UInt64 = 0x01
  /// Bytes of an environment's name.
  public static let environmentLength: UInt32 = 5
  /// The console: this byte.
  public static let console: UInt64 = 0x04

  /// The name of environment `index` in its generation.
  @inline(__always) public static func environment(_ index: UInt32, generation: UInt32) -> UInt64 {
    environment &<< 56 | UInt64(index) &<< 48 | UInt64(generation & 0xff_ffff) &<< 24
  }

  /// Disks: this byte, then the disk's number.
  public static let disk: UInt64 = 0x02
  /// Network interfaces: this byte, then the interface's number.
  public static let network: UInt64 = 0x03

  /// The two-byte name `kind`, `index`.
  @inline(__always) public static func name(_ kind: UInt64, _ index: UInt64) -> UInt64 {
    kind &<< 56 | (index & 0xff) &<< 48
  }

  /// The same as a guard.
  @inline(__always) public static func guardName(_ kind: UInt64, _ index: UInt64) -> UInt64 {
    name(kind, index) | 0x0000_ffff_ffff_ffff
  }
}

/// The slots in which a program finds its first capabilities.
public enum CapabilitySlot {
  /// Its own name.
  public static let own: UInt64 = 0
  /// Every disk.
  public static let disks: UInt64 = 1
  /// Every network interface.
  public static let networks: UInt64 = 2
  /// Everything: only the program that was started first has it.
  public static let root: UInt64 = 3
  /// Slots per environment.
  public static let count: UInt64 = 16
}
