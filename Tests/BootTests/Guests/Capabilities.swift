import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Two of these run: the first one, with the capability for everything, shares a frame with the second one, and takes
/// the capability for it back from everybody. Each tells the other how far it is by filling a slot, which the books
/// show.
@c(program_main)
public func programMain() -> Int32 {
  do throws(CallError) {
    if Environment.number == 0 { try own() } else { try borrow() }
  } catch {
    if Environment.number == 0 { _ = refusal { () throws(CallError) in try tell(15) } }
    return fail(error)
  }
  return verdict("capabilities are as granted", or: "capabilities are wrong")
}

/// What the first one calls the frame that it shares.
private var shared: UInt64 { name(of: 0) | 0x41 << 16 }

private func held(_ environment: UInt64, _ slot: UInt64) -> Rights {
  Books.capability(of: environment, slot: slot)?.rights ?? .none
}

private func tell(_ slot: UInt64) throws(CallError) {
  try KernelCall.deriveCapability(
    from: CapabilitySlot.own, into: slot, name: name(), length: 5, rights: .call)
}

private func wait(_ environment: UInt64, _ slot: UInt64) {
  while held(environment, slot).isEmpty { pause(milliseconds: 2) }
}

private func own() throws(CallError) {
  let other = Books.environment(1)?.handle ?? 0
  for environment in 1..<BooksLayout.environments {
    for slot in 0..<CapabilitySlot.count {
      let capability = Books.capability(of: environment, slot: slot)
      expect(capability?.rights.isEmpty != false || capability?.length != 0, "nobody else has the root capability")
    }
  }
  try KernelCall.deriveCapability(
    from: CapabilitySlot.own, into: 4, name: shared, length: 6, rights: .read | .write | .grant | .revoke)
  expect(.notAccepted, "nothing is granted to who has not agreed") { () throws(CallError) in
    try KernelCall.grantCapability(4, to: other, into: 6, rights: .all)
  }
  try tell(11)
  wait(1, 11)
  try KernelCall.grantCapability(4, to: other, into: 6, rights: .read | .write)
  expect(held(1, 6) == .read | .write, "what is granted has the rights that were named")
  expect(.notAccepted, "consent is for once") { () throws(CallError) in
    try KernelCall.grantCapability(4, to: other, into: 6, rights: .all)
  }
  try KernelCall.deriveCapability(from: 4, into: 5, name: shared, length: 6, rights: .read | .write)
  expect(.notPermitted, "who may not grant does not") { () throws(CallError) in
    try KernelCall.grantCapability(5, to: other, into: 7, rights: .all)
  }
  let frame = try KernelCall.allocateFrame()
  try KernelCall.mapFrame(frame, at: 0x5b_0000, rights: .read | .write)
  libos_store64(0x5b_0000, 77)
  try KernelCall.guardFrame(frame, name: shared, length: 6, allowed: .read)
  try tell(12)
  wait(1, 12)
  expect(
    try KernelCall.destroyCapabilities(slot: 4, name: shared, length: 6) == 3, "capabilities are destroyed everywhere")
  expect(held(0, 5).isEmpty && held(1, 6).isEmpty && held(1, 7).isEmpty, "derived ones, too")
  expect(!held(0, 4).isEmpty, "but for the one that was presented")
  try tell(13)
  wait(1, 13)
  try KernelCall.unmapFrame(at: 0x5b_0000)
  expect(.busy, "a frame that somebody else has mapped is not free") { () throws(CallError) in
    try KernelCall.freeFrame(frame)
  }
  try tell(14)
  while Books.frame(frame)?.references != 0 { pause(milliseconds: 2) }
  try KernelCall.freeFrame(frame)
  try staleHandles()
  try tell(15)
}

private func borrow() throws(CallError) {
  expect(held(1, CapabilitySlot.root).isEmpty, "a later program has no capability for everything")
  try derive()
  wait(0, 11)
  try KernelCall.acceptCapability(slot: 6, from: Books.environment(0)?.handle ?? 0)
  try tell(11)
  wait(0, 12)
  // The frame is found in the books.
  var frame = UInt64(Books.environment(0)?.firstFrame ?? 0)
  while frame != 0, Books.frame(frame)?.guardName != shared | 0xffff { frame = UInt64(Books.frame(frame)?.next ?? 0) }
  try KernelCall.mapFrame(frame, at: 0x5b_0000, rights: .read, capability: 6)
  expect(libos_load64(0x5b_0000) == 77, "a frame is shared")
  expect(.notPermitted, "not for writing, which its owner withholds") { () throws(CallError) in
    try KernelCall.mapFrame(frame, at: 0x5b_1000, rights: .read | .write, capability: 6)
  }
  expect(.notPermitted, "it cannot be given back by who may not allocate") { () throws(CallError) in
    try KernelCall.freeFrame(frame, capability: 6)
  }
  let other = UInt64(Books.environment(0)?.firstFrame ?? 0) == frame ? UInt64(Books.frame(frame)?.next ?? 0) : 0
  expect(.notPermitted, "a shorter guard is not dominated") { () throws(CallError) in
    try KernelCall.mapFrame(
      other == 0 ? UInt64(Books.environment(0)?.firstFrame ?? 0) : other, at: 0x5b_1000, rights: .read, capability: 6)
  }
  expect(.notPermitted, "who may not revoke does not") { () throws(CallError) in
    _ = try KernelCall.destroyCapabilities(slot: 6, name: shared, length: 6)
  }
  expect(.notPermitted, "who may not grant does not") { () throws(CallError) in
    try KernelCall.grantCapability(6, to: Books.environment(0)?.handle ?? 0, into: 8, rights: .all)
  }
  expect(.notPermitted, "what was granted grows no right") { () throws(CallError) in
    try KernelCall.deriveCapability(from: 6, into: 7, name: shared, length: 6, rights: .read | .allocate)
  }
  try KernelCall.deriveCapability(from: 6, into: 7, name: shared, length: 6, rights: .read)
  try tell(12)
  wait(0, 13)
  for slot in 6...7 as ClosedRange<UInt64> {
    expect(.noSuchCapability, "a destroyed capability is none") { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: 0x5b_1000, rights: .read, capability: slot)
    }
  }
  expect(libos_load64(0x5b_0000) == 77, "what was mapped stays mapped")
  try tell(13)
  wait(0, 14)
  try KernelCall.unmapFrame(at: 0x5b_0000)
  // Its record is not to be used again before the first one has looked.
  while held(0, 15).isEmpty, Books.environment(0)?.state != EnvironmentState.ended.rawValue,
    Books.environment(0)?.state != EnvironmentState.free.rawValue
  {
    pause(milliseconds: 2)
  }
}

/// Weaker capabilities, and none that are stronger.
private func derive() throws(CallError) {
  let mine = name(of: 1)
  try KernelCall.deriveCapability(from: CapabilitySlot.own, into: 4, name: mine, length: 5, rights: .read)
  try KernelCall.deriveCapability(from: 4, into: 5, name: mine | 1 << 16, length: 6, rights: .read)
  for (source, name, length, rights) in [
    (CapabilitySlot.own, mine, 4, .read), (CapabilitySlot.own, 0, 0, .read), (CapabilitySlot.own, shared, 6, .read),
    (4, mine, 5, .read | .write), (4, mine, 6, .all), (5, mine, 5, .read), (5, mine | 2 << 16, 6, .read),
  ] as [(UInt64, UInt64, UInt64, Rights)] {
    expect(.notPermitted, "no capability is derived that is not weaker") { () throws(CallError) in
      try KernelCall.deriveCapability(from: source, into: 6, name: name, length: length, rights: rights)
    }
  }
  expect(.badArgument, "names have eight bytes") { () throws(CallError) in
    try KernelCall.deriveCapability(from: 4, into: 6, name: mine, length: 9, rights: .read)
  }
  expect(.badArgument, "a capability has rights") { () throws(CallError) in
    try KernelCall.deriveCapability(from: 4, into: 6, name: mine, length: 5, rights: .none)
  }
  expect(.busy, "a slot is filled once") { () throws(CallError) in
    try KernelCall.deriveCapability(from: 4, into: 5, name: mine, length: 5, rights: .read)
  }
  expect(.noSuchCapability, "there are sixteen slots") { () throws(CallError) in
    try KernelCall.deriveCapability(from: 4, into: 16, name: mine, length: 5, rights: .read)
  }
  expect(.notPermitted, "who may read does not allocate") { () throws(CallError) in
    _ = try KernelCall.allocateFrame(capability: 4)
  }
  for slot in [CapabilitySlot.root, 6, 16, .max] as [UInt64] {
    expect(.noSuchCapability, "an empty slot is no capability") { () throws(CallError) in
      _ = try KernelCall.allocateFrame(capability: slot)
    }
  }
  try KernelCall.dropCapability(5)
  expect(.noSuchCapability, "what was dropped is gone") { () throws(CallError) in try KernelCall.dropCapability(5) }
  try KernelCall.dropCapability(4)
}

/// A handle names one thing for ever.
private func staleHandles() throws(CallError) {
  let old = try KernelCall.createEnvironment(CreationBlock(), into: 8)
  try KernelCall.destroyEnvironment(old, capability: 8)
  while Books.environment(UInt64(Handle.index(old)))?.state != EnvironmentState.free.rawValue { pause(milliseconds: 2) }
  let new = try KernelCall.createEnvironment(CreationBlock(), into: 9)
  expect(Handle.index(new) == Handle.index(old) && new != old, "a record is used again")
  let root = CapabilitySlot.root
  for call in 0..<9 {
    expect(.noSuchResource, "an old handle names nothing") { () throws(CallError) in try use(old, root, call) }
    // A transfer looks first whether it is an answer, which needs no capability.
    expect(call == 6 ? .busy : .notPermitted, "an old capability is none for the new") { () throws(CallError) in
      try use(new, 8, call)
    }
  }
  try KernelCall.destroyEnvironment(new, capability: 9)

  guard let page = PageSpace.mapAnywhere(count: 1), let frame = Books.frameNumber(of: page) else { throw .exhausted }
  let region = try KernelCall.bindRegion(frame: frame, offset: 0, count: 8, name: shared, length: 6)
  try KernelCall.unbindRegion(region)
  let newRegion = try KernelCall.bindRegion(frame: frame, offset: 0, count: 8, name: shared, length: 6)
  expect(Handle.index(newRegion) == Handle.index(region), "a region's record is used again")
  expect(.noSuchResource, "an old region is none") { () throws(CallError) in
    try KernelCall.readRegion(region, offset: 0, count: 1)
  }
  expect(.noSuchResource, "nor unbound") { () throws(CallError) in try KernelCall.unbindRegion(region) }
  try KernelCall.unbindRegion(newRegion)

  let extent = try KernelCall.bindExtent(disk: 0, first: 0, count: 8, rights: .read)
  try KernelCall.unbindExtent(extent)
  let newExtent = try KernelCall.bindExtent(disk: 0, first: 0, count: 8, rights: .read)
  expect(Handle.index(newExtent) == Handle.index(extent), "an extent's record is used again")
  expect(.noSuchResource, "an old extent is none") { () throws(CallError) in
    try KernelCall.submitBlocks(extent: extent, first: 0, count: 1, frame: frame, isWrite: false, tag: 0)
  }
  expect(.noSuchResource, "nor unbound") { () throws(CallError) in try KernelCall.unbindExtent(extent) }

  // r0 = 0; exit. The ring's only data frame is the code's.
  libos_store64(UInt(page), 0xb7)
  libos_store64(UInt(page) + 8, 0x95)
  libos_store32(UInt(page + PacketRing.framesOffset), UInt32(truncatingIfNeeded: frame))
  let filter = try KernelCall.bindFilter(code: frame, count: 2, ring: frame, slots: 2)
  try KernelCall.unbindFilter(filter)
  libos_store64(UInt(page), 0xb7)
  let newFilter = try KernelCall.bindFilter(code: frame, count: 2, ring: frame, slots: 2)
  expect(Handle.index(newFilter) == Handle.index(filter), "a filter's record is used again")
  expect(.noSuchResource, "an old filter is none") { () throws(CallError) in try KernelCall.unbindFilter(filter) }
  try KernelCall.unbindFilter(newFilter)
}

/// One of the calls that take an environment's handle and a capability for it.
private func use(_ handle: UInt64, _ slot: UInt64, _ call: Int) throws(CallError) {
  switch call {
  case 0: try KernelCall.startEnvironment(handle, capability: slot, entry: 0x40_0000, stack: 0)
  case 1: try KernelCall.destroyEnvironment(handle, capability: slot)
  case 2: try KernelCall.guardEnvironment(handle, capability: slot, name: shared, length: 6)
  case 3: try KernelCall.moveQuota(of: .frames, to: handle, capability: slot, amount: 1)
  case 4: try KernelCall.revoke(1, of: .frames, from: handle, capability: slot, deadline: 0)
  case 5: try KernelCall.wake(handle, capability: slot)
  case 6:
    var message: InlineArray<6, UInt64> = [0, 0, 0, 0, 0, 0]
    _ = try KernelCall.transfer(to: handle, capability: slot, mode: .asynchronous, message: &message)
  case 7: try KernelCall.writeEntry(at: 0x5b_0000, 2, table: KernelCall.table(of: handle, capability: slot))
  default: try KernelCall.installTable(for: 0, level: 3, table: KernelCall.table(of: handle, capability: slot))
  }
}
