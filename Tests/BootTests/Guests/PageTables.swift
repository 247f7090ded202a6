import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Two tables' worth of addresses, of which the first page is mapped.
private let base: UInt64 = 0x5000_0000_0000
private let accessed: UInt64 = 0x20
private let dirty: UInt64 = 0x40

/// Runs of pages, bits of the program's own, accessed and dirty bits, and rights that a frame's owner withholds: all as
/// the books and the page tables show, which are read without a call.
@c(program_main)
public func programMain() -> Int32 {
  guard PageSpace.mapFresh(at: base + 448 * 4096, count: 64), PageSpace.mapFresh(at: base + 512 * 4096, count: 1) else {
    return 71
  }
  return verdict("page tables are as asked", or: "page tables are wrong") { () throws(CallError) in
    try runs()
    try applicationBits()
    try accessedAndDirty()
    try restrictions()
    books()
  }
}

private func runs() throws(CallError) {
  let source = base + 448 * 4096
  guard let first = Books.frameNumber(of: source) else { throw .badAddress }
  for page in 0..<64 as Range<UInt64> { libos_store64(UInt(source + page * 4096), page + 7) }
  expect(try KernelCall.unmapFrame(at: source, count: 1000) == 64, "64 pages are unmapped by one call, and no more")
  expect(Books.entry(of: source + 63 * 4096) == 0, "the last one, too")
  expect(Books.frame(first)?.references == 0, "the books count mappings")
  expect(try KernelCall.mapFrame(first, at: base, rights: .read, count: 64) == 64, "64 frames are mapped by one call")
  for page in 0..<64 as Range<UInt64> {
    expect(libos_load64(UInt(base + page * 4096)) == page + 7, "a run keeps its order")
  }
  expect(try KernelCall.protectPages(at: base, rights: .read | .write, count: 64) == 64, "64 pages get other rights")
  libos_store64(UInt(base + 63 * 4096), 1)
  expect(try KernelCall.unmapFrame(at: base, count: 64) == 64, "a run is unmapped where it was mapped")
  expect(
    try KernelCall.mapFrame(first, at: base + 500 * 4096, rights: .read, count: 64) == 12, "a run ends at a table's end"
  )
  try KernelCall.unmapFrame(at: base + 500 * 4096, count: 12)
  let name = name()
  try KernelCall.guardFrame(first + 5, name: name, length: 5, allowed: .read)
  expect(
    try KernelCall.mapFrame(first, at: base, rights: .read, count: 64) == 5, "a run ends at a frame of another kind")
  expect(
    try KernelCall.mapFrame(first, at: base + 6 * 4096, rights: .read, count: 3) == 3, "a frame may be mapped twice")
  expect(Books.frame(first)?.references == 2, "the books count both")
  expect(.busy, "a run does not begin at a page that is mapped") { () throws(CallError) in
    try KernelCall.mapFrame(first, at: base, rights: .read, count: 2)
  }
  try KernelCall.unmapFrame(at: base, count: 5)
  try KernelCall.unmapFrame(at: base + 6 * 4096, count: 3)
}

private func applicationBits() throws(CallError) {
  let address = base + 100 * 4096
  try KernelCall.writeEntry(at: address, 0xfedc_ba98_7654_3210)
  expect(Books.entry(of: address) == 0xfedc_ba98_7654_3210, "an entry that maps nothing keeps 63 bits")
  expect(.badArgument, "the lowest bit is not the program's") { () throws(CallError) in
    try KernelCall.writeEntry(at: address, 3)
  }
  let frame = try KernelCall.allocateFrame()
  try KernelCall.mapFrame(frame, at: address, rights: .read)
  expect(Books.frameNumber(of: address) == frame, "a mapping takes their place")
  expect(.busy, "a mapping is not overwritten") { () throws(CallError) in try KernelCall.writeEntry(at: address, 2) }
  try KernelCall.unmapFrame(at: address)
  try KernelCall.freeFrame(frame)
  expect(Books.entry(of: address) == 0, "and leaves nothing")
}

private func accessedAndDirty() throws(CallError) {
  let address = base + 200 * 4096
  let frame = try KernelCall.allocateFrame()
  try KernelCall.mapFrame(frame, at: address, rights: .read | .write)
  for _ in 0..<3 {
    expect(
      (Books.entry(of: address) ?? .max) & (accessed | dirty) == 0, "an untouched page is neither read nor written")
    _ = libos_load64(UInt(address))
    expect((Books.entry(of: address) ?? 0) & (accessed | dirty) == accessed, "a page that was read")
    libos_store64(UInt(address), 1)
    expect((Books.entry(of: address) ?? 0) & (accessed | dirty) == accessed | dirty, "a page that was written")
    try KernelCall.protectPages(at: address, rights: .read | .write)
  }
  try KernelCall.unmapFrame(at: address)
  try KernelCall.freeFrame(frame)
}

private func restrictions() throws(CallError) {
  let address = base + 300 * 4096
  let name = name()
  let frame = try KernelCall.allocateFrame()
  try KernelCall.guardFrame(frame, name: name, length: 5, allowed: .read)
  expect(.notPermitted, "a frame for reading is not mapped for writing") { () throws(CallError) in
    try KernelCall.mapFrame(frame, at: address, rights: .read | .write)
  }
  expect(.notPermitted, "nor for execution") { () throws(CallError) in
    try KernelCall.mapFrame(frame, at: address, rights: .read | .execute)
  }
  try KernelCall.mapFrame(frame, at: address, rights: .read)
  expect(.notPermitted, "nor made writable") { () throws(CallError) in
    try KernelCall.protectPages(at: address, rights: .write)
  }
  expect(.notPermitted, "a guard is not one of another's name") { () throws(CallError) in
    try KernelCall.guardFrame(frame, name: CapabilityName.environment(63, generation: 1), length: 5, allowed: .read)
  }
  expect(.notPermitted, "nor a shorter one") { () throws(CallError) in
    try KernelCall.guardFrame(frame, name: name, length: 4, allowed: .read)
  }
  try KernelCall.guardFrame(frame, name: name, length: 5, allowed: .read | .write)
  try KernelCall.protectPages(at: address, rights: .write)
  libos_store64(UInt(address), 1)
}

private func books() {
  let me = Environment.number
  guard let record = Books.environment(me), let root = Books.frame(UInt64(record.rootTable)) else { return }
  expect(root.kind == FrameKind.pageTable.rawValue && root.owner == UInt8(me), "the root table is in the frame book")
  // From frame to frame along the owner's list.
  var count: UInt32 = 0
  var frame = record.firstFrame
  while frame != 0, count <= record.frames, let next = Books.frame(UInt64(frame)) {
    expect(next.owner == UInt8(me), "a frame of the list is the owner's")
    count += 1
    frame = next.next
  }
  expect(count == record.frames, "the owner's list is as long as the books say")
}
