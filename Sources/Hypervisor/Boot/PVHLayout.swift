/// Where the boot information lies in guest memory.
///
/// Below the end of conventional memory, where a kernel does not expect to be loaded and which Linux does not overwrite
/// before it has read it. The first 576 KiB stay free, for start-up code of further processors among others.
public enum PVHLayout {
  /// The first address.
  public static let start = GuestAddress(0x9_0000)
  /// `hvm_start_info`, 56 bytes.
  static let startInfo = GuestAddress(0x9_0000)
  /// Module entries, 32 bytes each.
  static let modules = GuestAddress(0x9_0100)
  static let moduleLimit = 64
  /// Memory map entries, 24 bytes each.
  static let memoryMap = GuestAddress(0x9_1000)
  /// The command line and its final zero byte.
  static let commandLine = GuestAddress(0x9_2000)
  static let commandLineLimit = 0x2000 - 1
  /// The modules' command lines (their names), one after the other.
  static let moduleNames = GuestAddress(0x9_4000)
  static let moduleNamesLimit = 0x2000
  /// The address after the last byte.
  public static let end = GuestAddress(0x9_6000)

  /// The end of conventional memory: from here to 1 MiB, PCs have the extended BIOS data area and firmware.
  static let conventionalEnd: UInt64 = 0x9_fc00
  static let extendedStart: UInt64 = 0x10_0000
}
