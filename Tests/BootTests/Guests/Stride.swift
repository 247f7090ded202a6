import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Holds all positions of the slice vector but three, and gives its slices to three environments 3:2:1.
@c(program_main)
public func programMain() -> Int32 {
  guard let pages = PageSpace.mapAnywhere(count: 1) else { return fail("memory") }
  unsafe results = pages
  do throws(CallError) {
    var scheduler = StrideScheduler()
    for index in 0..<3 as Range<UInt64> {
      let client = try ChildEnvironment.companion(argument: index, work)
      guard scheduler.add(client.handle, tickets: 3 - index) else { return fail("a client", index) }
      try client.start()
    }
    while true {
      do throws(CallError) { _ = try KernelCall.allocateSlice() } catch {
        guard error == .exhausted else { throw error }
        break
      }
    }
    // What the children did while we prepared does not count.
    let before: InlineArray<3, UInt64> = [time(of: 0), time(of: 1), time(of: 2)]
    for _ in 0..<240 where !scheduler.giveSlice() { return fail("a client that can run") }
    var times: InlineArray<3, UInt64> = [0, 0, 0]
    for index in 0..<3 { times[index] = time(of: UInt64(index)) &- before[index] }
    let whole = times[0] &+ times[1] &+ times[2]
    for index in 0..<3 {
      let expected: UInt64 = [500, 333, 167][index]
      let permille = times[index] &* 1000 / whole
      guard permille &+ 30 >= expected, permille <= expected &+ 30 else {
        return fail("thousandths of a share", permille)
      }
    }
  } catch { return fail(error) }
  Console.line("shares are 3:2:1")
  // The children never end by themselves, and so neither would the machine.
  for index in 0..<BooksLayout.environments where index != Environment.number {
    guard let child = Books.environment(index), child.state == EnvironmentState.runnable.rawValue else { continue }
    do throws(CallError) {
      try KernelCall.destroyEnvironment(child.handle, capability: CapabilitySlot.root)
    } catch { return fail("the end of a child", index) }
  }
  return 0
}

private nonisolated(unsafe) var results: UInt64 = 0

private func time(of index: UInt64) -> UInt64 { unsafe libos_load64(UInt(results &+ index &* 8)) }

/// Adds up the time in which it looks at the clock often enough to have the processor.
private func work(_ number: UInt64, _ page: UInt64) -> Int32 {
  let slot = unsafe UInt(results &+ number &* 8)
  let gap = Books.header.sliceLength / 20
  var last = Clock.timeStamp
  while true {
    let now = Clock.timeStamp
    if now &- last < gap { libos_store64(slot, libos_load64(slot) &+ now &- last) }
    last = now
  }
}
