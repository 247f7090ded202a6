/// The control frame of a ring into which the kernel puts the packets of one filter. The frame is the environment's
/// own, and mapped where it likes; before `filterBind` it writes the numbers of its data frames, which the kernel
/// checks and pins once.
///
/// Slot `n` is the half frame `n & 1` of data frame `n >> 1`. The environment writes `consumer` only; the kernel keeps
/// its own copy of everything else.
@frozen public struct PacketRing {
  /// Packets put in by the kernel since the ring was bound.
  public var producer: UInt32
  /// Packets taken out by the environment.
  public var consumer: UInt32

  /// Most slots of a ring: a power of two, as every ring's size.
  public static let maximumSlots: UInt32 = 64
  /// Bytes of a slot.
  public static let slotSize: UInt32 = 2048
  /// `PacketSlot`s.
  public static let slotsOffset: UInt64 = 0x40
  /// `UInt32` numbers of the data frames, `slots / 2` of them.
  public static let framesOffset: UInt64 = 0x800
}

/// What the kernel tells of one packet.
@frozen public struct PacketSlot {
  /// Length of the Ethernet frame in bytes.
  public var length: UInt32
  /// 1: transport checksum known to be right; 2: not yet computed (the packet never was on a wire).
  public var flags: UInt32
}
