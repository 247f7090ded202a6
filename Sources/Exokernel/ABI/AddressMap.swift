/// Where things are in the address spaces that the kernel makes. One page, so that nobody has to guess.
///
///     0x0000_0000_0040_0000  program: text, read-only data, data, bss (or elsewhere below userEnd)
///     0x0000_0000_005e_f000  initial stack, `initialStackPages` pages, growing down from environmentPage
///     0x0000_0000_005f_f000  environment page: what kernel and libOS tell each other without a call
///     0x0000_0000_8000_0000  reserved, up to 3 GiB: the kernel's text where a 32-bit SYSCALL may arrive
///     0x0000_6000_0000_0000  pages of 2 MiB are mapped from here on, and only they
///     0x0000_7000_0000_0000  end of what an environment may map
///     0x0000_7f00_0000_0000  gate page, then the books, read-only
///     0x0000_7f00_4000_0000  frame table, read-only
///     0x0000_7f80_0000_0000  the environment's own page tables, read-only (recursive entry)
///     0xffff_8000_0000_0000  kernel: direct map of the first 4 GiB of physical memory
///     0xffff_fe80_0000_0000  kernel: the page tables in force, writable (recursive entry)
///     0xffff_ffff_8000_0000  kernel image
public enum AddressMap {
  /// Bytes in a page and in a frame.
  public static let pageSize: UInt64 = 4096
  /// Bytes in a large page: a run of 512 frames that is allocated and mapped as one.
  public static let largePageSize: UInt64 = 0x20_0000
  /// First address of a program linked with the default layout.
  public static let programBase: UInt64 = 0x40_0000
  /// The environment page.
  public static let environmentPage: UInt64 = 0x5f_f000
  /// Stack pages a program finds mapped below the environment page.
  public static let initialStackPages: UInt64 = 2
  /// First address at which large pages are mapped, and the end of what ordinary pages are mapped at: so the kernel
  /// need not look at an entry of the directory before it changes one of a table.
  public static let largePages: UInt64 = 0x6000_0000_0000
  /// First address that an environment may not map.
  public static let userEnd: UInt64 = 0x7000_0000_0000
  /// First address of the 1 GiB that an environment may not map either.
  public static let reserved: UInt64 = 0x8000_0000
  /// The gate page: kernel calls enter here.
  public static let gatePage: UInt64 = 0x7f00_0000_0000
  /// The part of the gate page whose instructions are not interrupted by the end of a slice: first address and bytes.
  /// It brings environments and exceptions to where they go on.
  public static let gateWindow: UInt64 = gatePage + 192
  /// See `gateWindow`.
  public static let gateWindowSize: UInt64 = 832
  /// Where exceptions go on, whoever took them, with an `ExceptionFrame` at the stack pointer; inside `gateWindow`.
  public static let exceptionGate: UInt64 = gatePage + 576
  /// Where transfers arrive, with the callee's entry or place in rdx; inside `gateWindow`.
  public static let arrivalGate: UInt64 = gatePage + 896
  /// The books, starting with `BooksHeader`.
  public static let books: UInt64 = 0x7f00_0000_1000
  /// The frame table, one `FrameRecord` per frame from frame 0.
  public static let frameTable: UInt64 = 0x7f00_4000_0000
  /// Index in the root table of the entry that maps the tables themselves.
  public static let recursiveSlot: UInt64 = 255
  /// First address of the environment's own tables: the entry of address `a` is at `selfMap + (a >> 12) * 8`.
  public static let selfMap: UInt64 = 0x7f80_0000_0000
  /// Index in the root table of the kernel's own recursive entry, which makes the tables writable to ring 0.
  public static let kernelRecursiveSlot: UInt64 = 509
  /// As `selfMap`, for ring 0: writable.
  public static let kernelSelfMap: UInt64 = 0xffff_fe80_0000_0000
  /// Kernel's direct map of physical memory; not accessible to environments.
  public static let directMap: UInt64 = 0xffff_8000_0000_0000
  /// Physical memory the direct map covers, in bytes.
  public static let directMapSize: UInt64 = 4 << 30
}
