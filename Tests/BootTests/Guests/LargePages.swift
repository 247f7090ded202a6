import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Frames of 2 MiB: allocated until there are none, mapped, given back, and clean when they come again; also as small
/// ones.
@c(program_main)
public func programMain() -> Int32 {
  verdict("large pages are as asked", or: "large pages are wrong", after: useLarge)
}

private func useLarge() throws(CallError) {
  let base = AddressMap.largePages
  let size = AddressMap.largePageSize
  let before = Books.environment(Environment.number)?.frames ?? 0
  let frame = try KernelCall.allocateLarge()
  expect(frame & 511 == 0 && Books.frame(frame)?.kind == FrameKind.large.rawValue, "a large frame is in the books")
  expect(Books.environment(Environment.number)?.frames == before + 512, "it counts as 512")
  expect(.noPageTable, "it needs page tables") { () throws(CallError) in
    try KernelCall.mapLarge(frame, at: base, rights: .read | .write)
  }
  try KernelCall.installTable(for: base, level: 3)
  try KernelCall.installTable(for: base, level: 2)
  expect(.badArgument, "but none of the last level") { () throws(CallError) in
    try KernelCall.installTable(for: base, level: 1)
  }
  expect(.badAddress, "it is mapped at a multiple of its size") { () throws(CallError) in
    try KernelCall.mapLarge(frame, at: base + 4096, rights: .read)
  }
  expect(.badAddress, "where large pages are") { () throws(CallError) in
    try KernelCall.mapLarge(frame, at: 0x4000_0000, rights: .read)
  }
  expect(.noSuchResource, "no part of it is mapped as a page") { () throws(CallError) in
    try KernelCall.mapFrame(frame + 1, at: 0x5b_0000, rights: .read)
  }
  expect(.busy, "nor allocated") { () throws(CallError) in _ = try KernelCall.allocateFrame(frame + 1) }
  try KernelCall.mapLarge(frame, at: base, rights: .read | .write)
  for page in 0..<512 as Range<UInt64> {
    expect(libos_load64(UInt(base + page * 4096)) == 0, "it arrives empty")
    libos_store64(UInt(base + page * 4096), ~page)
  }
  try KernelCall.mapLarge(frame, at: base + size, rights: .read)
  expect(libos_load64(UInt(base + size + 511 * 4096)) == ~511, "it may be mapped twice")
  try KernelCall.unmapLarge(at: base + size)
  expect(.busy, "a mapped one is not given back") { () throws(CallError) in try KernelCall.freeLarge(frame) }
  try KernelCall.unmapLarge(at: base)
  expect(.noSuchResource, "a mapping ends once") { () throws(CallError) in try KernelCall.unmapLarge(at: base) }

  // All there are; then one comes back.
  var others: [UInt64] = []
  do throws(CallError) { while others.count < 1000 { others.append(try KernelCall.allocateLarge()) } } catch {
    expect(error == .exhausted, "the last one is the last one")
  }
  try KernelCall.freeLarge(frame)
  expect(.again, "it is cleared first") { () throws(CallError) in _ = try KernelCall.allocateLarge() }
  let again = try waitForLarge()
  expect(again == frame, "the one that came back")
  try KernelCall.mapLarge(again, at: base, rights: .read)
  for page in 0..<512 as Range<UInt64> {
    expect(libos_load64(UInt(base + page * 4096)) == 0, "it comes back empty")
  }
  try KernelCall.unmapLarge(at: base)
  try KernelCall.freeLarge(again)
  try takeSmall()
}

private func waitForLarge() throws(CallError) -> UInt64 {
  var patience = 1000
  while true {
    do throws(CallError) { return try KernelCall.allocateLarge() } catch {
      patience -= 1
      guard error == .again, patience > 0 else { throw error }
      pause(milliseconds: 10)
    }
  }
}

/// Where single frames are used up, a large one that nobody has is divided.
private func takeSmall() throws(CallError) {
  var count = 0
  do throws(CallError) {
    while true {
      _ = try KernelCall.allocateFrame()
      count += 1
    }
  } catch { guard error == .exhausted else { throw error } }
  expect(count >= 512, "512 small ones come of a large one")
  expect(Books.header.freeFrames == 0, "then there are none")
}
