import ExokernelABI
import GuestSupport
import LibOS

/// Takes everything that it may have, beside others that do the same: what each gets is its share, not less and not
/// more. Then everything goes back.
@c(program_main)
public func programMain() -> Int32 {
  var before: [Quota] = []
  for kind in 0..<6 as Range<UInt64> { before.append(quota(kind)) }
  guard let page = PageSpace.mapAnywhere(count: 1), let frame = Books.frameNumber(of: page) else { return 71 }
  do throws(CallError) {
    let regions = take(.regions) { () throws(CallError) in
      try KernelCall.bindRegion(frame: frame, offset: 0, count: 8, name: name(), length: 5)
    }
    let extents = take(.extents) { () throws(CallError) in
      try KernelCall.bindExtent(disk: 0, first: 0, count: 1, rights: .read)
    }
    let filters = take(.filters) { () throws(CallError) in
      try bindDeafFilter(code: page, ring: page, data: page)
    }
    let slices = take(.slices) { () throws(CallError) in try KernelCall.allocateSlice() }
    let environments = take(.environments) { () throws(CallError) in
      let handle = try KernelCall.createEnvironment(CreationBlock(), into: 15)
      try KernelCall.dropCapability(15)
      return handle
    }
    takeFrames()
    for handle in environments { expect(Books.environment(named: handle) != nil, "an environment is there") }
    // With nothing left, a program still gives back.
    for region in regions { try KernelCall.unbindRegion(region) }
    for extent in extents { try KernelCall.unbindExtent(extent) }
    for filter in filters { try KernelCall.unbindFilter(filter) }
    for slice in slices { try KernelCall.freeSlice(slice) }
  } catch {
    expect(false, "a call was refused", error.number)
  }
  for kind in [ResourceKind.slices, .filters, .extents, .regions] {
    expect(
      quota(kind.rawValue).used == before[Int(kind.rawValue)].used, "what is given back is not counted", kind.rawValue)
  }
  if Environment.number == 0 { destroyOthers() }
  return verdict("had its share of everything", or: "had not its share")
}

/// The first program, when the others are done, ends what they have made: environments that nobody will ever start.
private func destroyOthers() {
  func count(_ states: EnvironmentState...) -> Int {
    var number = 0
    for index in 0..<BooksLayout.environments {
      for state in states where Books.environment(index)?.state == state.rawValue { number += 1 }
    }
    return number
  }
  while count(.runnable, .sleeping) > 1 {
    pause(milliseconds: 5)
  }
  for index in 0..<BooksLayout.environments {
    guard let record = Books.environment(index), record.state == EnvironmentState.created.rawValue else { continue }
    do throws(CallError) {
      try KernelCall.destroyEnvironment(record.handle, capability: CapabilitySlot.root)
    } catch {
      expect(false, "who holds the capability for everything ends it", error.number)
    }
  }
  expect(count(.created) == 0, "nothing is left")
}

private func quota(_ kind: UInt64) -> Quota {
  guard let kind = ResourceKind(rawValue: kind), let record = Books.environment(Environment.number) else {
    return Quota(limit: 0, used: 0)
  }
  return record.quota(kind)
}

/// Takes of a kind what there is, giving way to the others after each.
private func take(_ kind: ResourceKind, _ call: () throws(CallError) -> UInt64) -> [UInt64] {
  var taken: [UInt64] = []
  let room = quota(kind.rawValue).limit - quota(kind.rawValue).used
  expect(room > 0, "a share is more than nothing", kind.rawValue)
  do throws(CallError) {
    while taken.count <= Int(room) {
      taken.append(try call())
      KernelCall.yield()
    }
    expect(false, "a share has an end", kind.rawValue)
  } catch {
    expect(error == .exhausted, "the error is that of exhaustion", error.number)
  }
  expect(taken.count == Int(room), "a share is had in full, of kind", kind.rawValue)
  return taken
}

/// Takes frames until there are none, in runs and large ones; then every call that needs one is refused.
private func takeFrames() {
  var large = 0
  var address: UInt64 = 0x5000_0000_0000
  do throws(CallError) {
    _ = try KernelCall.allocateLarge()
    large = 512
  } catch { expect(error == .exhausted, "a large frame", error.number) }
  while quota(0).used < quota(0).limit {
    let room = UInt64(quota(0).limit - quota(0).used)
    do throws(CallError) {
      address += try KernelCall.allocateMapped(at: address, count: min(room, 64, 512 - (address >> 12 & 511))) * 4096
      KernelCall.yield()
    } catch {
      guard error == .noPageTable, room > 3 else {
        // A page table would take the last ones: they are had without.
        guard error == .noPageTable else { return expect(false, "a frame", error.number) }
        do throws(CallError) { for _ in 0..<room { _ = try KernelCall.allocateFrame() } } catch {
          expect(false, "one of the last frames", error.number)
        }
        break
      }
      for level in [3, 2, 1] as [UInt64] {
        _ = refusal { () throws(CallError) in try KernelCall.installTable(for: address, level: level) }
      }
    }
  }
  expect(large == 512, "a share has room for a large frame")
  expect(quota(0).used == quota(0).limit, "a share of frames is had in full")
  for call in 0..<5 {
    do throws(CallError) {
      switch call {
      case 0: _ = try KernelCall.allocateFrame()
      case 1: _ = try KernelCall.allocateLarge()
      case 2: _ = try KernelCall.allocateMapped(at: 0x5b_0000, count: 1)
      case 3: try KernelCall.installTable(for: 0x3000_0000_0000, level: 3)
      default: _ = try KernelCall.createEnvironment(CreationBlock(), into: 15)
      }
      expect(false, "nothing is had beyond a share")
    } catch {
      expect(error == .exhausted, "the error is that of exhaustion", error.number)
    }
  }
}
