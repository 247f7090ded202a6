import CRingZero
import ExokernelABI
import ExokernelCore

/// What a PVH boot finds in memory (Xen public header arch-x86/hvm/start_info.h, version 1).
enum StartInfo {
  private static var magic: UInt32 { 0x336e_c578 }
  private static var imageStart: UInt64 { 0x20_0000 }
  /// Most modules that are looked at.
  private static var moduleLimit: UInt64 { 64 }

  /// Reads start_info at physical address `address`; nil where it is none, or tells nothing of memory.
  static func read(at address: UInt64) -> BootInformation? {
    guard address &+ 56 <= AddressMap.directMapSize, load(address) as UInt32 == magic, load(address &+ 4) as UInt32 >= 1
    else {
      return nil
    }
    let modules: UInt32 = load(address &+ 12)
    let moduleList: UInt64 = load(address &+ 16)
    let commandLine: UInt64 = load(address &+ 24)
    let map: UInt64 = load(address &+ 40)
    let mapEntries: UInt32 = load(address &+ 48)
    guard var memoryEnd = endOfMemory(map, entries: mapEntries) else { return nil }

    var archive: Range<UInt64> = 0..<0
    var floor = RingZeroHardware().physical(ring0_kernel_image_end_address())
    // Memory given out lies on one side of each module, the larger one. The first module is the archive, the others are
    // not ours to change.
    let end = memoryEnd
    let count = moduleList < AddressMap.directMapSize &- moduleLimit &* 32 ? UInt64(modules) : 0
    for index in 0..<(count < moduleLimit ? count : moduleLimit) {
      let start: UInt64 = load(moduleList &+ index &* 32)
      let size: UInt64 = load(moduleList &+ index &* 32 &+ 8)
      guard start < end, size <= end &- start else { continue }
      let module = start..<(start &+ size)
      if index == 0 { archive = module }
      let below = module.lowerBound > floor ? module.lowerBound &- floor : 0
      let above = memoryEnd > module.upperBound ? memoryEnd &- module.upperBound : 0
      if below > above {
        memoryEnd = module.lowerBound < memoryEnd ? module.lowerBound & ~0xfff : memoryEnd
      } else if module.upperBound > floor {
        floor = module.upperBound
      }
    }
    let textEnd = endOfText(commandLine, limit: memoryEnd)
    let listEnd = moduleList &+ count &* 32
    let mapEnd = map &+ UInt64(mapEntries) &* 24
    let ends = [address &+ 56, listEnd, textEnd, mapEnd] as InlineArray<4, UInt64>
    for index in ends.indices where ends[index] > floor && ends[index] < memoryEnd { floor = ends[index] }
    let table = (floor &+ 0x1f_ffff) & ~0x1f_ffff
    // Every frame of the machine has a record, those of the modules, too: programs' pages are mapped where they lie
    // there.
    let limit = end < AddressMap.directMapSize ? end : AddressMap.directMapSize
    // Environments see the table by large pages: what else is in the last one would be seen by all, so nobody gets it.
    let tableEnd = (table &+ (limit &>> 12) &* 32 &+ 0x1f_ffff) & ~0x1f_ffff
    return BootInformation(
      memorySize: limit, frameTable: table, firstFree: tableEnd, endOfFree: memoryEnd < limit ? memoryEnd : limit,
      commandLine: commandLine..<textEnd, archive: archive)
  }

  /// The end of the range of RAM that the kernel itself lies in.
  private static func endOfMemory(_ map: UInt64, entries: UInt32) -> UInt64? {
    guard map != 0, map < AddressMap.directMapSize, entries <= 128 else { return nil }
    for index in 0..<UInt64(entries) {
      let entry = map &+ index &* 24
      let start: UInt64 = load(entry)
      let size: UInt64 = load(entry &+ 8)
      let type: UInt32 = load(entry &+ 16)
      if type == 1, start <= imageStart, start &+ size > imageStart { return start &+ size }
    }
    return nil
  }

  /// The end of the command line, which a zero byte ends.
  private static func endOfText(_ text: UInt64, limit: UInt64) -> UInt64 {
    guard text != 0, text < limit else { return text }
    var end = text
    // Eight bytes at a time while none of them is zero.
    while end < text &+ CommandLine.limit &- 8, end < limit &- 8 {
      let word: UInt64 = load(end)
      guard (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 == 0 else { break }
      end &+= 8
    }
    while end < text &+ CommandLine.limit, end < limit, load(end) as UInt8 != 0 { end &+= 1 }
    return end
  }

  // Safe: the callers keep addresses inside the direct map; loads of what is no memory read as ones.
  private static func load<Value: BitwiseCopyable>(_ address: UInt64) -> Value {
    unsafe RingZeroHardware().memory(at: address).loadUnaligned(as: Value.self)
  }
}
