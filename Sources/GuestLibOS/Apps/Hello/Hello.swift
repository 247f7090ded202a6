import ExokernelABI
import LibOS

/// The smallest program that shows an exokernel: it says what it holds, as the exposed books tell it, and shares the
/// processor with whoever else runs. With the argument `fault` it ends as a program with a mistake does: by a store to
/// an address where it has nothing.
@c(program_main)
public func helloMain() -> Int32 {
  let me = Environment.number
  guard let record = Books.environment(me) else { return 70 }
  Console.put("hello from environment ")
  Console.put(me)
  Console.put(": I hold ")
  Console.put(UInt64(record.frames))
  Console.put(" frames, the first of them ")
  printFrames(from: record.firstFrame)
  Console.flush()
  Console.put("slices")
  for position in 0..<BooksLayout.slices where Books.sliceOwnerPlusOne(position) == UInt32(me) + 1 {
    Console.put(" ")
    Console.put(position)
  }
  Console.put(" of ")
  Console.put(BooksLayout.slices)
  Console.put("; capabilities")
  for slot in 0..<CapabilitySlot.count { printCapability(of: me, slot) }
  Console.flush()
  if ArgumentText.equal(Environment.arguments()[...], "fault") { makeMistake(at: 0x1234_5678) }
  for step in 1...3 as ClosedRange<UInt64> {
    let started = record.slicesRun
    workThroughSlice()
    Console.put("slice ")
    Console.put((Books.environment(me)?.slicesRun ?? started) - started + 1)
    Console.put(" of mine, step ")
    Console.put(step)
    Console.flush()
  }
  return 0
}

/// Stores where nothing is mapped.
@inline(never) private func makeMistake(at address: UInt) {
  // Not safe at all, and meant to be so: the page fault is what this shows.
  unsafe UnsafeMutablePointer<UInt64>(bitPattern: address)?.pointee = 1
}

/// Numbers of up to four frames, along the list that the books keep.
private func printFrames(from first: UInt32) {
  var frame = first
  var count = 0
  while frame != 0, count < 4, let record = Books.frame(UInt64(frame)) {
    Console.put(count == 0 ? "" : " ")
    Console.put(UInt64(frame))
    frame = record.next
    count += 1
  }
}

private func printCapability(of environment: UInt64, _ slot: UInt64) {
  guard let capability = Books.capability(of: environment, slot: slot), !capability.rights.isEmpty else { return }
  Console.put(" ")
  Console.put(slot)
  Console.put(":")
  for byte in 0..<UInt64(capability.length) {
    Console.put(byte == 0 ? "" : ".")
    Console.put(capability.name >> (56 - 8 * byte) & 0xff)
  }
  Console.put(capability.rights.contains(.read) ? "r" : "")
  Console.put(capability.rights.contains(.write) ? "w" : "")
  Console.put(capability.rights.contains(.execute) ? "x" : "")
  Console.put(capability.rights.contains(.allocate) ? "a" : "")
}

/// Computes until the slice in which it starts is over, and the processor has come back; at most for a tenth of a
/// second, for it may be alone on the machine.
private func workThroughSlice() {
  let me = Environment.number
  let start = Books.environment(me)?.slicesRun ?? 0
  let deadline = Clock.nanoseconds + 100_000_000
  while Books.environment(me)?.slicesRun == start, Clock.nanoseconds < deadline {}
}
