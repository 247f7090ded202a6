import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Pages that exist when they are touched: an entry that maps nothing says what a page holds.
private let base: UInt64 = 0x5000_0000_0000
private let pageCount: UInt64 = 256

nonisolated(unsafe) private var brought: UInt64 = 0
nonisolated(unsafe) private var written: UInt64 = 0
nonisolated(unsafe) private var foreign: UInt64 = 0

/// Serves its own page faults: brings pages on demand, read-only, and lets them be written when somebody does. Kernel
/// calls about addresses that have no page table, or that no environment has, are refused and are no faults.
@c(program_main)
public func programMain() -> Int32 {
  verdict("faults are served", or: "faults are lost") { () throws(CallError) in
    try installTables(for: base)
    for page in 0..<pageCount { try KernelCall.writeEntry(at: base + page * 4096, (page * 3 + 1) << 1) }
    PageFaults.handler = { address, code in serve(address, code) }
    let faults = Books.environment(Environment.number)?.faults ?? 0
    for page in 0..<pageCount {
      expect(libos_load64(UInt(base + page * 4096 + 8)) == page * 3 + 1, "a page holds what its entry said")
    }
    for page in 0..<pageCount where page % 2 == 0 { libos_store64(UInt(base + page * 4096 + 16), page) }
    for page in 0..<pageCount {
      expect(libos_load64(UInt(base + page * 4096 + 8)) == page * 3 + 1, "and keeps it")
      expect(libos_load64(UInt(base + page * 4096 + 16)) == (page % 2 == 0 ? page : 0), "with what was written")
    }
    let (pages, writes) = unsafe (brought, written)
    expect(pages == pageCount && writes == pageCount / 2, "each page comes once, and is made writable once")
    let told = Books.environment(Environment.number)?.faults ?? 0
    expect(told - faults == pages + writes, "the kernel told of each fault once")
    // Long enough for ends of slices inside the handler.
    let deadline = Clock.nanoseconds + 300_000_000
    while Clock.nanoseconds < deadline {
      try KernelCall.protectPages(at: base, rights: .read, count: 64)
      for page in 0..<64 as Range<UInt64> { libos_store64(UInt(base + page * 4096 + 16), page) }
    }
    try faultsInCalls()
    expect(unsafe foreign == 0, "no call led to the handler")
  }
}

private func serve(_ address: UInt64, _ code: PageFaultCode) -> Bool {
  let page = address & ~0xfff
  guard page >= base, page < base + pageCount * 4096 else {
    unsafe foreign += 1
    return false
  }
  do throws(CallError) {
    if code.isViolation {
      guard code.isWrite else { return false }
      unsafe written += 1
      try KernelCall.protectPages(at: page, rights: .read | .write)
      return true
    }
    guard let entry = Books.entry(of: page) else { return false }
    unsafe brought += 1
    let frame = try KernelCall.allocateFrame()
    try KernelCall.mapFrame(frame, at: page, rights: .read | .write)
    libos_store64(UInt(page) + 8, entry >> 1)
    try KernelCall.protectPages(at: page, rights: .read)
    return true
  } catch { return false }
}

/// Kernel calls that meet missing page tables, and addresses that are none.
private func faultsInCalls() throws(CallError) {
  let frame = try KernelCall.allocateFrame()
  // No table of the last level, none of the second, none of the third.
  for address in [base + 0x20_0000, base + 0x4000_0000, 0x3000_0000_0000] as [UInt64] {
    expect(.noPageTable, "frameMap without a table") { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: address, rights: .read)
    }
    expect(.noPageTable, "a run without a table") { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: address, rights: .read, count: 64)
    }
    expect(.noPageTable, "frameUnmap without a table") { () throws(CallError) in
      try KernelCall.unmapFrame(at: address)
    }
    expect(.noPageTable, "a run unmapped without a table") { () throws(CallError) in
      try KernelCall.unmapFrame(at: address, count: 64)
    }
    expect(.noPageTable, "frameProtect without a table") { () throws(CallError) in
      try KernelCall.protectPages(at: address, rights: .read)
    }
    expect(.noPageTable, "entryWrite without a table") { () throws(CallError) in
      try KernelCall.writeEntry(at: address, 2)
    }
    expect(.noPageTable, "framesAllocateMapped without a table") { () throws(CallError) in
      _ = try KernelCall.allocateMapped(at: address, count: 1)
    }
  }
  expect(.noPageTable, "a table without the one above") { () throws(CallError) in
    try KernelCall.installTable(for: 0x3000_0000_0000, level: 1)
  }
  expect(.noPageTable, "largeUnmap without a table") { () throws(CallError) in
    try KernelCall.unmapLarge(at: AddressMap.largePages)
  }
  // Unaligned, not canonical, the kernel's, the gate's, the books', the tables' own, where large pages are.
  for address in [
    base + 1, 0x8000_0000_0000, 0xffff_8000_0000_0000, .max & ~0xfff, AddressMap.gatePage, AddressMap.books,
    AddressMap.selfMap, AddressMap.largePages, AddressMap.kernelSelfMap,
  ] as [UInt64] {
    expect(.badAddress, "frameMap of a bad address") { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: address, rights: .read)
    }
    expect(.badAddress, "frameUnmap of a bad address") { () throws(CallError) in
      try KernelCall.unmapFrame(at: address)
    }
    expect(.badAddress, "frameProtect of a bad address") { () throws(CallError) in
      try KernelCall.protectPages(at: address, rights: .read)
    }
    expect(.badAddress, "entryWrite of a bad address") { () throws(CallError) in
      try KernelCall.writeEntry(at: address, 2)
    }
    expect(.badAddress, "framesAllocateMapped of a bad address") { () throws(CallError) in
      _ = try KernelCall.allocateMapped(at: address, count: 1)
    }
  }
  expect(.badAddress, "the environment page stays") { () throws(CallError) in
    try KernelCall.unmapFrame(at: AddressMap.environmentPage)
  }
  try KernelCall.freeFrame(frame)
}
