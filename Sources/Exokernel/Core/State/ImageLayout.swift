/// Where things are that the linker script and the assembly files put there.
public enum ImageLayout {
  /// The kernel's own address of physical address 0.
  public static let base: UInt = 0xffff_ffff_8000_0000
  /// What may be written, page tables first.
  public static let data: UInt = 0xffff_ffff_8040_0000
  /// The processors' stacks, `stackSize` bytes each, one after the other; the end of each is that processor's
  /// `ProcessorState`.
  public static let stacks: UInt = 0xffff_ffff_8080_0000
  /// Bytes of a stack, with the unmapped page below it.
  public static let stackSize: UInt = 0x4000
  /// Physical address to which the first code of another processor is copied: below 1 MiB, in memory that is nobody's.
  public static let trampoline: UInt64 = 0x8000
  /// In the gate page until the first environment runs: a SYSCALL, to see where it arrives.
  public static let syscallProbe: UInt64 = 128
  /// See `syscallProbe`: a look at what ring 3 has besides SSE.
  public static let vectorProbe: UInt64 = 144
}
