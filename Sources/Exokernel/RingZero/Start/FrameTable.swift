import CRingZero
import ExokernelABI
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
      // Safe: both directories have 512 entries. Never both for ring 3 and writable.
      let entry = page | PageEntry.present | PageEntry.large | PageEntry.noExecute
      unsafe exposed[index] = entry | PageEntry.user
      unsafe own[index] = entry | PageEntry.write
      page &+= AddressMap.largePageSize
      index &+= 1
    }
  }
}
