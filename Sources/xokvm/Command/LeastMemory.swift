import ExokernelABI

/// How much memory a machine needs for the exokernel to start, which the kernel itself would tell as its end.
enum LeastMemory {
  private static let megabyte = 1 << 20
  /// Memory for programs that the kernel wants to have at the least: `BootChecks.leastMemory`.
  private static let programs = 4 << 20
  /// The kernel's table of frames has a record of so many bytes for each, and is seen through large pages.
  private static let frameRecord = MemoryLayout<FrameRecord>.stride
  private static let largePage = 2 << 20

  /// In MiB, for the kernel whose segments end at `kernelEnd`, with a boot archive of `archive` bytes behind it and no
  /// other module.
  static func mebibytes(kernelEnd: Int, archive: Int) -> Int {
    let table = rounded((kernelEnd + 4095) / 4096 * 4096 + archive, to: largePage)
    var memory = rounded(table, to: megabyte)
    while table + rounded(memory / 4096 * frameRecord, to: largePage) + programs > memory { memory += megabyte }
    return memory / megabyte
  }

  private static func rounded(_ value: Int, to unit: Int) -> Int { (value + unit - 1) / unit * unit }
}
