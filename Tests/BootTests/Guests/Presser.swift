import ExokernelABI
import LibOS

/// The first program: with its capability for everything it asks each of the others for frames, slices and filters, one after the other, and
/// says how many each has given, and how many were taken from it.
@c(program_main)
public func programMain() -> Int32 {
  var failures = 0
  for victim in 1...2 as ClosedRange<UInt64> {
    // Who has bound a filter is ready.
    while Books.environment(victim)?.quota(.filters).used == 0 { pause() }
    guard let record = Books.environment(victim) else { return 70 }
    var given: UInt64 = 0
    var taken: UInt64 = 0
    for (kind, count) in [(ResourceKind.frames, 8), (.slices, 1), (.filters, 1)] as [(ResourceKind, UInt64)] {
      let before = UInt64(Books.environment(victim)?.quota(kind).used ?? 0)
      let repossessed = Books.header.counters.repossessions
      do throws(CallError) {
        try KernelCall.revoke(
          count, of: kind, from: record.handle, capability: CapabilitySlot.root,
          deadline: Clock.timeStamp(after: victim == 1 ? 3_000_000_000 : 60_000_000))
      } catch {
        Console.put("FAILED: a request was refused, error ")
        Console.put(UInt64(bitPattern: -error.rawValue))
        Console.flush()
        return 1
      }
      var patience = 500
      // Who was robbed may have replaced what it lost at once.
      while UInt64(Books.environment(victim)?.quota(kind).used ?? 0) != before - count,
        Books.header.counters.repossessions - repossessed < count, patience > 0
      {
        patience -= 1
        pause()
      }
      if patience == 0 { failures += 1 }
      let force = Books.header.counters.repossessions - repossessed
      if force != 0, force != count { failures += 1 }
      taken += force
      if force == 0 { given += count }
      // Time to look at what was lost.
      for _ in 0..<10 { pause() }
    }
    Console.put("environment ")
    Console.put(victim)
    Console.put(" gave ")
    Console.put(given)
    Console.put(", lost ")
    Console.put(taken)
    Console.flush()
  }
  failures += refusals()
  Console.line(failures == 0 ? "exactly what was asked" : "not what was asked")
  return failures == 0 ? 0 : 1
}

/// Requests that make no sense.
private func refusals() -> Int {
  var failures = 0
  let handle = Environment.handle
  func expect(_ expected: CallError, _ call: () throws(CallError) -> Void) {
    do throws(CallError) {
      try call()
      failures += 1
    } catch { if error != expected { failures += 1 } }
  }
  let root = CapabilitySlot.root
  // One request at a time; this one is met by the frame that is given back.
  do throws(CallError) {
    let frame = try KernelCall.allocateFrame()
    try KernelCall.revoke(
      1, of: .frames, from: handle, capability: root, deadline: Clock.timeStamp(after: 30_000_000_000))
    expect(.busy) { () throws(CallError) in
      try KernelCall.revoke(1, of: .slices, from: handle, capability: root, deadline: 1)
    }
    try KernelCall.freeFrame(frame)
    for _ in 0..<3 { pause() }
  } catch { failures += 1 }
  expect(.exhausted) { () throws(CallError) in
    try KernelCall.revoke(60, of: .filters, from: handle, capability: root, deadline: 1)
  }
  expect(.badArgument) { () throws(CallError) in
    try KernelCall.revoke(65, of: .frames, from: handle, capability: root, deadline: 1)
  }
  expect(.badArgument) { () throws(CallError) in
    try KernelCall.revoke(1, of: .environments, from: handle, capability: root, deadline: 1)
  }
  expect(.noSuchResource) { () throws(CallError) in
    try KernelCall.revoke(1, of: .frames, from: handle + 0x100, capability: root, deadline: 1)
  }
  return failures
}

/// Sleeps for 10 ms.
private func pause() { KernelCall.sleep(events: Environment.events, deadline: Clock.timeStamp(after: 10_000_000)) }
