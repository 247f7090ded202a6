import ExokernelABI
import GuestSupport
import LibOS

/// Takes frames from an environment that has mapped each of them twice, which does not save it; nor does it that this
/// program has mapped one of them as well, which loses its mapping and is told.
@c(program_main)
public func programMain() -> Int32 {
  verdict("taken from both places", or: "not taken as asked", after: press)
}

private func press() throws(CallError) {
  // It never runs: nobody gives anything back.
  var block = CreationBlock()
  block.quotas = Quotas(frames: 32, slices: 1)
  let child = try KernelCall.createEnvironment(block, into: 4)
  let number = Handle.index(child)
  let table = KernelCall.table(of: child, capability: 4)
  try installTables(for: 0x40_0000, table: table)
  _ = try KernelCall.allocateMapped(at: 0x41_0000, count: 16, table: table)
  var frames: [UInt64] = []
  var frame = UInt64(Books.environment(named: child)?.firstFrame ?? 0)
  while frame != 0, let record = Books.frame(frame) {
    if record.kind == FrameKind.memory.rawValue { frames.append(frame) }
    frame = UInt64(record.next)
  }
  expect(frames.count == 16, "the books list its frames")
  for (index, frame) in frames.enumerated() {
    try KernelCall.mapFrame(frame, at: 0x43_0000 + UInt64(index) * 4096, rights: .read, table: table)
  }
  // The last one is the list's first one, and so the one that would go first.
  try KernelCall.mapFrame(frames[15], at: 0x5b_0000, rights: .read)

  func owned() -> [UInt64] {
    var left: [UInt64] = []
    for frame in frames {
      guard let record = Books.frame(frame), record.kind != FrameKind.free.rawValue else { continue }
      if UInt32(record.owner) == number { left.append(frame) }
    }
    return left
  }
  for (count, left) in [(8, 8), (3, 5), (5, 0)] as [(UInt64, Int)] {
    try KernelCall.revoke(count, of: .frames, from: child, capability: CapabilitySlot.root, deadline: 1)
    // It can be asked again when the request is over.
    var patience = 1000
    while patience > 0 {
      do throws(CallError) {
        try KernelCall.revoke(60, of: .filters, from: child, capability: CapabilitySlot.root, deadline: 1)
      } catch { if error != .busy { break } }
      patience -= 1
      pause(milliseconds: 5)
    }
    expect(owned().count == left, "exactly what was asked is taken")
    for frame in owned() {
      expect(Books.frame(frame)?.references == (frame == frames[15] ? 3 : 2), "what is left is mapped as it was")
    }
  }
  expect(Books.frameNumber(of: 0x5b_0000) == nil, "who has mapped what is taken loses the mapping")
  let told = Revocation.taken(0)
  expect(told?.resource == frames[15] && told?.address == 0x5b_0000, "and is told")
  try KernelCall.destroyEnvironment(child, capability: 4)
}
