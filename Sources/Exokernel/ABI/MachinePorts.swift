/// Ports through which the kernel speaks to the VMM; a VMM that lacks them ignores the writes.
public enum MachinePort {
  /// Writing a byte ends the virtual machine with that status.
  public static let exit: UInt16 = 0x501
  /// Writing a `Milestone` tells how far the boot has come.
  public static let milestone: UInt16 = 0x502
  /// Writing the physical address of a text behind its 32-bit length prints it. Reads as 0 where it is served and leads
  /// to a terminal, as 1 where it leads elsewhere: control sequences are not wanted there.
  public static let text: UInt16 = 0x504
  /// Writing a byte tells that this processor waits for another one, which the host may have stopped.
  public static let yield: UInt16 = 0x508
  /// Three 32-bit words tell of a crash, so that the VMM can say where it is in the source: the low and the high half
  /// of the address of the instruction, at `crash` and `crash + 4`; then, at `crash + 8`, the physical address of the
  /// record of the environment that it ends, or 0 for the kernel itself.
  public static let crash: UInt16 = 0x510
  /// ISA debug exit, as in QEMU: the status is `(value << 1) | 1`.
  public static let debugExit: UInt16 = 0xf4
}

/// How far the boot has come.
public enum Milestone: UInt8, Sendable {
  /// The kernel can run environments.
  case kernelReady = 1
  /// The first environment is about to run.
  case firstEnvironment = 2
}
