import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Makes environments that raise exceptions and have no environment page where the processor puts them, or a page of
/// this one's that they may only read. They end, and that page is as before.
@c(program_main)
public func programMain() -> Int32 {
  guard let pages = PageSpace.mapAnywhere(count: 2), let code = Books.frameNumber(of: pages),
    let pattern = Books.frameNumber(of: pages + 4096)
  else { return 71 }
  for word in 0..<512 as Range<UInt64> { libos_store64(UInt(pages + 4096 + word * 8), 0x40_0000) }
  var endings = 0
  for round in 0..<4 {
    // xor %ecx, %ecx; xor %edx, %edx; then div %ecx or ud2; jmp to itself.
    libos_store64(UInt(pages), round & 1 == 0 ? 0xfeeb_f1f7_d231_c931 : 0xfeeb_0b0f_d231_c931)
    do throws(CallError) {
      let child = try make(code: code, page: round & 2 == 0 ? nil : pattern)
      var patience = 1000
      while Books.environment(named: child)?.exitStatus == 0, patience > 0 {
        patience -= 1
        pause(milliseconds: 2)
      }
      if Books.environment(UInt64(Handle.index(child)))?.exitStatus == 139 { endings += 1 }
      try KernelCall.dropCapability(4)
    } catch { return fail(error) }
  }
  var isWhole = endings == 4
  for word in 0..<512 as Range<UInt64> where libos_load64(UInt(pages + 4096 + word * 8)) != 0x40_0000 {
    isWhole = false
  }
  Console.line(isWhole ? "four ended, and wrote nothing" : "FAILED: not all ended, or one has written")
  return 0
}

/// An environment whose page is not where exceptions go, with a page of code, and perhaps one of `page` there for
/// reading.
private func make(code: UInt64, page: UInt64?) throws(CallError) -> UInt64 {
  var block = CreationBlock()
  block.pageAddress = 0x5a_0000
  block.quotas = Quotas(frames: 8, slices: 1)
  block.name = (0x646c_6968_63, 0)
  let child = try KernelCall.createEnvironment(block, into: 4)
  let table = KernelCall.table(of: child, capability: 4)
  try installTables(for: 0x40_0000, table: table)
  try KernelCall.mapFrame(code, at: 0x40_0000, rights: .read | .execute, table: table)
  if let page { try KernelCall.mapFrame(page, at: AddressMap.environmentPage, rights: .read, table: table) }
  try KernelCall.startEnvironment(child, capability: 4, entry: 0x40_0000, stack: 0x40_0800)
  return child
}
