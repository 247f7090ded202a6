import ExokernelABI
import GuestSupport
import LibOS

/// The first program: with its capability for everything it asks each of the others for frames, slices and filters, one
/// after the other, and says how many each has given, and how many were taken from it.
@c(program_main)
public func programMain() -> Int32 {
  for victim in 1...2 as ClosedRange<UInt64> {
    // Who has bound a filter is ready.
    while Books.environment(victim)?.quota(.filters).used == 0 { pause(milliseconds: 10) }
    guard let record = Books.environment(victim) else { return 70 }
    var given: UInt64 = 0
    var taken: UInt64 = 0
    var looks: UInt32 = 0
    for (kind, count) in [(ResourceKind.frames, 8), (.slices, 1), (.filters, 1)] as [(ResourceKind, UInt64)] {
      let before = UInt64(Books.environment(victim)?.quota(kind).used ?? 0)
      let repossessed = Books.header.counters.repossessions
      do throws(CallError) {
        try KernelCall.revoke(
          count, of: kind, from: record.handle, capability: CapabilitySlot.root,
          deadline: Clock.timeStamp(after: victim == 1 ? 3_000_000_000 : 60_000_000))
      } catch { return fail("a request was refused, error", error.number) }
      var patience = 500
      // Who was robbed may have replaced what it lost at once.
      while UInt64(Books.environment(victim)?.quota(kind).used ?? 0) != before - count,
        Books.header.counters.repossessions - repossessed < count, patience > 0
      {
        patience -= 1
        pause(milliseconds: 10)
      }
      expect(patience > 0, "a request is met in time, of kind", kind.rawValue)
      let force = Books.header.counters.repossessions - repossessed
      expect(force == 0 || force == count, "all or nothing is taken, of kind", kind.rawValue)
      taken += force
      if force == 0 { given += count }
      // The next request empties the vector: who was robbed binds a region when it has looked.
      if force != 0, kind != .filters {
        looks += 1
        while Books.environment(victim)?.quota(.regions).used != looks { pause(milliseconds: 10) }
      }
    }
    Console.put("environment ")
    Console.put(victim)
    Console.put(" gave ")
    Console.put(given)
    Console.put(", lost ")
    Console.put(taken)
    Console.flush()
  }
  refuse()
  return verdict("exactly what was asked", or: "not what was asked")
}

/// Requests that make no sense.
private func refuse() {
  let handle = Environment.handle
  let root = CapabilitySlot.root
  // One request at a time; this one is met by the frame that is given back.
  do throws(CallError) {
    let frame = try KernelCall.allocateFrame()
    try KernelCall.revoke(
      1, of: .frames, from: handle, capability: root, deadline: Clock.timeStamp(after: 30_000_000_000))
    expect(.busy, "one request at a time") { () throws(CallError) in
      try KernelCall.revoke(1, of: .slices, from: handle, capability: root, deadline: 1)
    }
    try KernelCall.freeFrame(frame)
    for _ in 0..<3 { pause(milliseconds: 10) }
  } catch { _ = fail(error) }
  expect(.exhausted, "nobody is asked for more than it has") { () throws(CallError) in
    try KernelCall.revoke(60, of: .filters, from: handle, capability: root, deadline: 1)
  }
  expect(.badArgument, "no more than 64 are asked for at once") { () throws(CallError) in
    try KernelCall.revoke(65, of: .frames, from: handle, capability: root, deadline: 1)
  }
  expect(.badArgument, "environments are not asked for") { () throws(CallError) in
    try KernelCall.revoke(1, of: .environments, from: handle, capability: root, deadline: 1)
  }
  expect(.noSuchResource, "a handle of another generation names nobody") { () throws(CallError) in
    try KernelCall.revoke(1, of: .frames, from: handle + 0x100, capability: root, deadline: 1)
  }
}
