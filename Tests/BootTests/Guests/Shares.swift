import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Three environments share a processor for some seconds; one of them stays in a critical section past the end of each
/// of its slices. Then it never leaves the section, and is ended.
@c(program_main)
public func programMain() -> Int32 {
  guard let pages = PageSpace.mapAnywhere(count: 1) else { return fail("memory") }
  unsafe results = pages
  do throws(CallError) {
    let honest = try ChildEnvironment.companion(argument: 0, work)
    let other = try ChildEnvironment.companion(argument: 1, work)
    let lingerer = try ChildEnvironment.companion(argument: 2, work)
    try honest.start(position: 10)
    try other.start(position: 20)
    try lingerer.start(position: 30)
    // A host with other things to do takes time from all three at random: the longer the measure, the less it matters.
    var worst: UInt64 = 1000
    for _ in 0..<8 {
      rest(milliseconds: 2000)
      let whole = time(of: 0) &+ time(of: 1) &+ time(of: 2)
      // Thousandths of a third of the time.
      let first = time(of: 0) &* 3000 / whole
      let second = time(of: 1) &* 3000 / whole
      worst = first < second ? first : second
      if worst >= 990 { break }
    }
    guard worst >= 990 else { return fail("thousandths of a fair share", worst) }
    let overruns = libos_load64(UInt(pages) &+ 24)
    guard overruns > 10 else { return fail("slices that were overrun", overruns) }
    // The lingerer's turn to go too far.
    libos_store64(UInt(pages) &+ 32, 1)
    guard lingerer.wait(milliseconds: 3000), lingerer.lastRecord?.exitStatus == 139 else {
      return fail("the end of an environment that keeps the processor")
    }
    guard honest.isLive, other.isLive else { return fail("the others") }
    try honest.destroy()
    try other.destroy()
  } catch { return fail(error) }
  Console.line("shares are fair, and who keeps the processor is ended")
  return 0
}

/// Words: the time each of three environments has had, slices overrun, 1 where the lingerer goes too far, when the
/// present slice began, and whose it is, and when that one looked at the clock last.
private nonisolated(unsafe) var results: UInt64 = 0

private func time(of index: UInt64) -> UInt64 { unsafe libos_load64(UInt(results &+ index &* 8)) }

/// Computes, and notes when its slices begin: there the time of whoever had the processor before ends.
private func work(_ number: UInt64, _ page: UInt64) -> Int32 {
  let own = libos_load64(UInt(page) &+ 96)
  let words = unsafe UInt(results)
  let length = Books.header.sliceLength
  var slice: UInt64 = 0
  while true {
    let current = slicesRun(of: own)
    if current != slice {
      slice = current
      CriticalSection.run(page: page) { noteBeginning(number, words) }
    }
    libos_store64(words &+ 56, Clock.timeStamp)
    if number == 2 { linger(page, words, length) }
  }
}

private func noteBeginning(_ number: UInt64, _ words: UInt) {
  let now = Clock.timeStamp
  let before = UInt(libos_load64(words &+ 48)) &* 8
  let look = libos_load64(words &+ 56)
  if look != 0 {
    // The change from one to the other is the kernel's time, and nobody's. What is far longer is the host's, which it
    // took from whoever had the processor.
    let gap = now &- look
    let taken = gap > switching ? gap &- switching : 0
    libos_store64(words &+ before, libos_load64(words &+ before) &+ look &- libos_load64(words &+ 40) &+ taken)
  }
  libos_store64(words &+ 40, now)
  libos_store64(words &+ 48, number)
}

/// Longest change from one environment to another, in time-stamp units, where ring 0 is emulated: one millisecond.
private let switching: UInt64 = 2_500_000

/// Keeps the processor for one and a half slices, or for ever.
private func linger(_ page: UInt64, _ words: UInt, _ length: UInt64) {
  CriticalSection.run(page: page) {
    let end = Clock.timeStamp &+ length &+ length / 2
    var now = Clock.timeStamp
    while now < end || libos_load64(words &+ 32) != 0 {
      libos_store64(words &+ 56, now)
      now = Clock.timeStamp
    }
    if libos_load64(UInt(page) &+ 72) != 0 { libos_store64(words &+ 24, libos_load64(words &+ 24) &+ 1) }
  }
}

/// Slices that an environment has been given. Looked up in memory each time: the pause is one for the compiler as well.
private func slicesRun(of environment: UInt64) -> UInt64 {
  libos_pause()
  return Books.environment(environment)?.slicesRun ?? 0
}

private func rest(milliseconds: UInt64) {
  let deadline = Clock.timeStamp(after: milliseconds &* 1_000_000)
  while Clock.timeStamp < deadline { KernelCall.sleep(events: Environment.events, deadline: deadline) }
}
