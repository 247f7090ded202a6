import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// The first of these makes a region of a frame's middle, and lets the second one write and the third one read it.
/// Neither trusts another.
@c(program_main)
public func programMain() -> Int32 {
  verdict("regions have bounds", or: "regions have no bounds") { () throws(CallError) in
    switch Environment.number {
    case 0: try make()
    case 1: try use(rights: .read | .write)
    default: try use(rights: .read)
    }
  }
}

private let first: UInt64 = 3001
private let count: UInt64 = 300
private var shared: UInt64 { name(of: 0) | 0x52 << 16 }
private var buffer: UInt { UInt(AddressMap.environmentPage &+ EnvironmentPage.regionOffset) }

private func make() throws(CallError) {
  guard let page = PageSpace.mapAnywhere(count: 1), let frame = Books.frameNumber(of: page) else { throw .exhausted }
  for byte in 0..<512 as Range<UInt64> { libos_store64(UInt(page + byte * 8), 0x1111_1111_1111_1111) }
  for (offset, count) in [(0, 0), (4096, 1), (4000, 97), (0, 4097), (0xffff_ffff, 2)] as [(UInt64, UInt64)] {
    expect(.badArgument, "a region is a part of a frame") { () throws(CallError) in
      _ = try KernelCall.bindRegion(frame: frame, offset: offset, count: count, name: shared, length: 6)
    }
  }
  expect(.notPermitted, "its guard is dominated by the maker's") { () throws(CallError) in
    _ = try KernelCall.bindRegion(frame: frame, offset: 0, count: 8, name: 0, length: 0)
  }
  let other = UInt64(Books.environment(1)?.firstFrame ?? 0)
  let refused = refusal { () throws(CallError) in
    _ = try KernelCall.bindRegion(frame: other, offset: 0, count: 8, name: shared, length: 6)
  }
  expect(refused == .notPermitted || refused == .noSuchResource, "a region is of one's own frame")
  try KernelCall.deriveCapability(
    from: CapabilitySlot.own, into: 4, name: shared, length: 6, rights: .read | .write | .grant)
  // The others agree first.
  for (number, rights) in [(1, .read | .write), (2, .read)] as [(UInt64, Rights)] {
    while true {
      do throws(CallError) {
        let handle = Books.environment(number)?.handle ?? 0
        try KernelCall.grantCapability(4, to: handle, into: 6, rights: rights)
        break
      } catch {
        guard error == .notAccepted else { throw error }
        pause(milliseconds: 2)
      }
    }
  }
  let region = try KernelCall.bindRegion(frame: frame, offset: first, count: count, name: shared, length: 6)
  expect(Books.frame(frame)?.pins == 1, "its frame is pinned")
  try KernelCall.unmapFrame(at: page)
  expect(.busy, "so it is not given back") { () throws(CallError) in try KernelCall.freeFrame(frame) }
  try KernelCall.mapFrame(frame, at: page, rights: .read | .write)
  // The second one fills all of it; the third one says that it has seen that by dropping its capability.
  while Books.capability(of: 2, slot: 6)?.rights.isEmpty == false { pause(milliseconds: 2) }
  for byte in 0..<4096 as Range<UInt64> {
    let isInside = byte >= first && byte < first + count
    let expected: UInt8 = isInside ? UInt8(truncatingIfNeeded: byte - first) : 0x11
    expect(libos_load8(UInt(page + byte)) == expected, "who writes a region writes nothing else")
  }
  try KernelCall.unbindRegion(region)
  expect(Books.frame(frame)?.pins == 0, "an unbound region pins nothing")
  expect(.noSuchResource, "and is none") { () throws(CallError) in
    try KernelCall.readRegion(region, offset: 0, count: 1, capability: 4)
  }
}

private func use(rights: Rights) throws(CallError) {
  try KernelCall.acceptCapability(slot: 6, from: Books.environment(0)?.handle ?? 0)
  while Books.capability(of: Environment.number, slot: 6)?.rights.isEmpty != false { pause(milliseconds: 2) }
  // The region is found in the books.
  while Books.region(0)?.ownerPlusOne != 1 { pause(milliseconds: 2) }
  guard let record = Books.region(0) else { throw .noSuchResource }
  let region = Handle.of(0, generation: record.generation)
  let frame = UInt64(record.frame)
  expect(record.offset == first && record.count == UInt32(count), "the books tell where it is")
  for (offset, length) in [
    (count, 1), (count - 1, 2), (0, 257), (45, 256), (.max, 1), (.max, 2), (1 << 32, 1), (0, 1 << 32), (0, .max),
  ] as [(UInt64, UInt64)] {
    expect(.badArgument, "nothing is read beyond its end") { () throws(CallError) in
      try KernelCall.readRegion(region, offset: offset, count: length, capability: 6)
    }
    expect(rights == .read ? .notPermitted : .badArgument, "nor written") { () throws(CallError) in
      try KernelCall.writeRegion(region, offset: offset, count: length, capability: 6)
    }
  }
  expect(.notPermitted, "who shares a region does not map the frame") { () throws(CallError) in
    try KernelCall.mapFrame(frame, at: 0x5b_0000, rights: .read, capability: 6)
  }
  expect(.notPermitted, "nor unbind the region") { () throws(CallError) in
    try KernelCall.unbindRegion(region, capability: 6)
  }
  expect(.notPermitted, "a name of one's own does not do") { () throws(CallError) in
    try KernelCall.readRegion(region, offset: 0, count: 1)
  }
  expect(.noSuchCapability, "nor an empty slot") { () throws(CallError) in
    try KernelCall.readRegion(region, offset: 0, count: 1, capability: 7)
  }
  if rights != .read {
    var offset: UInt64 = 0
    while offset < count {
      let length = min(count - offset, 256)
      for byte in 0..<length {
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: buffer)?[Int(byte)] = UInt8(truncatingIfNeeded: offset + byte)
      }
      try KernelCall.writeRegion(region, offset: offset, count: length, capability: 6)
      offset += length
    }
    return
  }
  // Until the last byte is written, then from the end.
  repeat {
    pause(milliseconds: 2)
    try KernelCall.readRegion(region, offset: count - 1, count: 1, capability: 6)
  } while libos_load8(buffer) != UInt8(truncatingIfNeeded: count - 1)
  try KernelCall.readRegion(region, offset: count - 256, count: 256, capability: 6)
  for byte in 0..<256 as Range<UInt64> {
    expect(
      libos_load8(buffer + UInt(byte)) == UInt8(truncatingIfNeeded: count - 256 + byte), "what was written is read")
  }
  try KernelCall.dropCapability(6)
}
