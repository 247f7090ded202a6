import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Sleeps for words of its memory, of the books, and for the clock, and looks which term woke it. With the argument
/// `idle` it only sleeps, for two seconds.
@c(program_main)
public func programMain() -> Int32 {
  guard let pages = PageSpace.mapAnywhere(count: 2) else { return fail("memory") }
  if Environment.arguments().first == 0x69 { return beIdle(pages) }
  let word = pages &+ 4096
  do throws(CallError) {
    // A word that a companion writes, or the clock.
    guard try waits(pages, word, writesAfter: 30, deadlineAfter: 2000) == 1 else { return fail("a word of memory") }
    guard try waits(pages, word, writesAfter: 2000, deadlineAfter: 30) == 2 else { return fail("the clock") }

    // The end of an environment, as the books tell it.
    let child = try ChildEnvironment.companion(argument: word, writeLater)
    try child.start()
    var predicate = WakeupPredicate(page: pages)
    let state =
      BooksLayout.environmentsOffset &+ UInt64(Handle.index(child.handle))
      &* UInt64(MemoryLayout<EnvironmentRecord>.stride)
    let ended = UInt64(EnvironmentState.ended.rawValue)
    let free = UInt64(EnvironmentState.free.rawValue)
    _ = predicate.add(WakeupPredicate.books(at: state, mask: 0xffff_ffff, in: ended...ended))
    _ = predicate.add(WakeupPredicate.books(at: state, mask: 0xffff_ffff, in: free...free))
    _ = predicate.add(WakeupPredicate.clock(from: Clock.timeStamp(after: 3_000_000_000)))
    try predicate.bind()
    let term = WakeupPredicate.sleep()
    guard term == 1 || term == 2, !child.isLive else { return fail("a word of the books") }
    try child.destroy()

    // A product holds where both of its factors do.
    libos_store64(UInt(word), 7)
    libos_store64(UInt(word) &+ 8, 0)
    predicate = WakeupPredicate(page: pages)
    guard let seven = WakeupPredicate.word(at: word, in: 5...9),
      let other = WakeupPredicate.word(at: word &+ 8, isNot: 0)
    else { return fail("comparisons") }
    _ = predicate.add(seven)
    _ = predicate.add(other, isMore: true)
    let late = predicate.add(WakeupPredicate.clock(from: Clock.timeStamp(after: 20_000_000)))
    try predicate.bind()
    guard WakeupPredicate.sleep() == late, late == 2 else { return fail("a product with a false factor") }
    libos_store64(UInt(word) &+ 8, 1)
    guard WakeupPredicate.sleep() == 1 else { return fail("a product") }

    // What is not ours to see.
    predicate = WakeupPredicate(page: pages)
    _ = predicate.add(Comparison(.frame, place: 0x10_0000, low: 0, high: 0))
    guard refused(predicate) == .notPermitted else { return fail("a frame of the kernel's") }
    predicate = WakeupPredicate(page: pages)
    _ = predicate.add(WakeupPredicate.books(at: BooksLayout.size, in: 0...0))
    guard refused(predicate) == .notPermitted else { return fail("a word behind the books") }
    predicate = WakeupPredicate(page: pages)
    _ = predicate.add(
      Comparison(.frame, place: (Books.frameNumber(of: word) ?? 0) << 12, low: 0, high: 0, capability: 9))
    guard refused(predicate) == .notPermitted else { return fail("an empty slot") }
    if let foreign = Books.environment(Environment.number ^ 1)?.firstFrame, foreign != 0 {
      predicate = WakeupPredicate(page: pages)
      _ = predicate.add(Comparison(.frame, place: UInt64(foreign) << 12, low: 0, high: 0))
      guard refused(predicate) == .notPermitted else { return fail("a frame of another environment's") }
    }
  } catch { return fail(error) }
  Console.line("woke for the right terms")
  return 0
}

/// Sleeps for a word, which a companion writes after some milliseconds, and the clock; returns the term that woke it.
private func waits(_ page: UInt64, _ word: UInt64, writesAfter milliseconds: UInt64, deadlineAfter deadline: UInt64)
  throws(CallError) -> UInt64
{
  libos_store64(UInt(word), 0)
  libos_store64(UInt(word) &+ 64, milliseconds)
  let start = Clock.nanoseconds
  let writer = try ChildEnvironment.companion(argument: word, writeLater)
  try writer.start()
  var predicate = WakeupPredicate(page: page)
  guard let comparison = WakeupPredicate.word(at: word, isNot: 0) else { return 0 }
  _ = predicate.add(comparison)
  _ = predicate.add(WakeupPredicate.clock(from: Clock.timeStamp(after: deadline &* 1_000_000)))
  try predicate.bind()
  let term = WakeupPredicate.sleep()
  let elapsed = (Clock.nanoseconds &- start) / 1_000_000
  try writer.destroy()
  guard writer.wait() else { return 0 }
  // No sooner than it should, and not so late that something else must have been waited for.
  let expected = milliseconds < deadline ? milliseconds : deadline
  return elapsed >= expected && elapsed < expected &+ 500 ? term : 10 &+ term
}

/// Sleeps for some milliseconds, then writes a word.
private func writeLater(_ word: UInt64, _ page: UInt64) -> Int32 {
  let deadline = Clock.timeStamp(after: libos_load64(UInt(word) &+ 64) &* 1_000_000)
  KernelCall.sleep(events: libos_load64(UInt(page)), deadline: deadline)
  libos_store64(UInt(word), 1)
  return 0
}

private func refused(_ predicate: WakeupPredicate) -> CallError? {
  refusal { () throws(CallError) in try predicate.bind() }
}

private func beIdle(_ page: UInt64) -> Int32 {
  do throws(CallError) {
    var predicate = WakeupPredicate(page: page)
    guard let word = WakeupPredicate.word(at: page &+ 4096, isNot: 0) else { return fail("a comparison") }
    _ = predicate.add(word)
    _ = predicate.add(WakeupPredicate.clock(from: Clock.timeStamp(after: 2_000_000_000)))
    try predicate.bind()
    Console.line("sleeps")
    let term = WakeupPredicate.sleep()
    Console.put("woke for term ")
    Console.put(term)
    Console.line("")
    return 0
  } catch { return fail("a predicate") }
}
