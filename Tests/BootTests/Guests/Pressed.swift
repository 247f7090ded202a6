import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Where its memory is: above everything else that it has mapped.
private let base: UInt64 = 0x5000_0000_0000
private let pageCount: UInt64 = 24

/// Holds frames, slices and a filter, and is asked for them. With the argument `gives` it gives back what it values
/// least; else it gives nothing, learns what it has lost, and goes on.
@c(program_main)
public func programMain() -> Int32 {
  let gives = Environment.arguments().count > 0
  guard PageSpace.mapFresh(at: base, count: pageCount) else { return 71 }
  for page in 0..<pageCount { libos_store64(UInt(base + page * 4096), page + 1) }
  do throws(CallError) {
    var slices = [try KernelCall.allocateSlice()]
    slices.append(try KernelCall.allocateSlice())
    let spare = slices[0]
    return gives ? try give(slice: spare) : try refuse()
  } catch { return fail(error) }
}

nonisolated(unsafe) private var asked = 0
nonisolated(unsafe) private var refusals = 0
nonisolated(unsafe) private var filter: UInt64 = 0

private func give(slice: UInt64) throws(CallError) -> Int32 {
  let me = Books.environment(Environment.number)
  try Revocation.serve { request in
    unsafe asked += 1
    do throws(CallError) {
      switch request.kind {
      case .frames:
        // Not those at the end, which the kernel would take.
        for page in 0..<request.count {
          guard let frame = Books.frameNumber(of: base + page * 4096) else { throw .badAddress }
          try KernelCall.unmapFrame(at: base + page * 4096)
          try KernelCall.freeFrame(frame)
        }
      case .slices: try KernelCall.freeSlice(slice)
      default: try unsafe KernelCall.unbindFilter(filter)
      }
    } catch { unsafe refusals += 1 }
  }
  // The filter is the sign that everything is there.
  unsafe filter = try bindFilter()
  while unsafe asked < 3 {
    let events = Environment.events
    // Without a deadline: a request wakes sleepers.
    if unsafe asked < 3 { KernelCall.sleep(events: events, deadline: 0) }
  }
  pause(milliseconds: 100)
  var isWhole = unsafe refusals == 0 && Revocation.takenCount == 0
  for page in 8..<pageCount where libos_load64(UInt(base + page * 4096)) != page + 1 { isWhole = false }
  if me?.revocationEntry == Books.environment(Environment.number)?.revocationEntry { isWhole = false }
  Console.line(isWhole ? "kept what it chose" : "FAILED: lost what it kept")
  return isWhole ? 0 : 1
}

private func refuse() throws(CallError) -> Int32 {
  var frames: [UInt64] = []
  for page in 0..<pageCount { frames.append(Books.frameNumber(of: base + page * 4096) ?? 0) }
  var failures = 0
  unsafe filter = try bindFilter()
  // Frames: each that is named is gone, its page is empty, and the others are as they were.
  waitForTaken(8, .frames)
  var isLost: [Bool] = []
  for _ in 0..<pageCount { isLost.append(false) }
  for index in 0..<8 as Range<UInt64> {
    guard let taken = Revocation.taken(index), taken.address >= base, taken.address < base + pageCount * 4096 else {
      failures += 1
      continue
    }
    let page = Int((taken.address - base) >> 12)
    isLost[page] = true
    if frames[page] != taken.resource { failures += 1 }
    if Books.frameNumber(of: taken.address) != nil { failures += 1 }
    if Books.frame(taken.resource)?.owner == UInt8(truncatingIfNeeded: Environment.number),
      Books.frame(taken.resource)?.kind == FrameKind.memory.rawValue
    {
      failures += 1
    }
  }
  for page in 0..<pageCount where !isLost[Int(page)] {
    if libos_load64(UInt(base + page * 4096)) != page + 1 { failures += 1 }
  }
  // What was lost is replaced.
  for page in 0..<pageCount where isLost[Int(page)] {
    guard PageSpace.mapFresh(at: base + page * 4096, count: 1) else { return 71 }
    if libos_load64(UInt(base + page * 4096)) != 0 { failures += 1 }
  }
  try acknowledge()
  waitForTaken(1, .slices)
  guard let slice = Revocation.taken(0) else { return 72 }
  if Books.sliceOwnerPlusOne(slice.resource) == UInt32(Environment.number) + 1 { failures += 1 }
  try acknowledge()
  waitForTaken(1, .filters)
  let lost = unsafe filter
  if Revocation.taken(0)?.resource != lost { failures += 1 }
  if refusal(of: { () throws(CallError) in try KernelCall.unbindFilter(lost) }) != .noSuchResource { failures += 1 }
  Console.line(failures == 0 ? "lost what was named, and goes on" : "FAILED: the repossession vector is wrong")
  return failures == 0 ? 0 : 1
}

/// Waits until so many of a kind were taken. The kernel empties the vector before it names the kind.
private func waitForTaken(_ count: UInt64, _ kind: ResourceKind) {
  while Revocation.request?.kind != kind || Revocation.takenCount != count { pause(milliseconds: 5) }
}

/// Tells the one who presses, who looks at our quota, that what was taken has been looked at.
private func acknowledge() throws(CallError) {
  let name = name()
  guard let frame = Books.frameNumber(of: base) else { throw .badAddress }
  _ = try KernelCall.bindRegion(
    frame: frame, offset: 0, count: 8, name: name, length: UInt64(CapabilityName.environmentLength))
}

/// Binds a filter that wants no packet, with frames of its own.
private func bindFilter() throws(CallError) -> UInt64 {
  guard let pages = PageSpace.mapAnywhere(count: 3) else { throw .exhausted }
  return try bindDeafFilter(code: pages, ring: pages + 4096, data: pages + 8192)
}
