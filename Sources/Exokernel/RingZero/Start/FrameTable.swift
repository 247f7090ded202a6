import CRingZero
import ExokernelCore

/// The frame table is seen twice: read-only by environments, writable by the kernel.
enum FrameTable {
  /// Maps the table in both places: one entry for each 2 MiB, that is, for each 256 MiB of memory.
  static func map(_ boot: BootInformation) {
    let exposed = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_frame_table_directory_address())
      .unsafelyUnwrapped
    let own = unsafe UnsafeMutablePointer<UInt64>(bitPattern: ring0_kernel_frame_table_directory_address())
      .unsafelyUnwrapped
    var page = boot.frameTable
    var index = 0
    while page < boot.firstFree, index < 512 {
      // Safe: both directories have 512 entries. Present, large, no execute; user or writable, never both.
      unsafe exposed[index] = page | 0x8000_0000_0000_0085
      unsafe own[index] = page | 0x8000_0000_0000_0083
      page &+= 0x20_0000
      index &+= 1
    }
  }
}
