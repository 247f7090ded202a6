import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Three environments share a processor for some seconds. Two of them are friends: at the end of each of its slices,
/// each gives the processor to the other one instead of giving it up.
@c(program_main)
public func programMain() -> Int32 {
  guard let pages = PageSpace.mapAnywhere(count: 1) else { return fail("memory") }
  unsafe words = UInt(pages)
  do throws(CallError) {
    let honest = try ChildEnvironment.companion(argument: 0, work)
    let friend = try ChildEnvironment.companion(argument: 1, work)
    let other = try ChildEnvironment.companion(argument: 2, work)
    unsafe libos_store64(words &+ 32, other.handle)
    unsafe libos_store64(words &+ 40, friend.handle)
    try honest.start(position: 10)
    try friend.start(position: 20)
    try other.start(position: 30)
    var share: UInt64 = 0
    for _ in 0..<8 where share < 990 {
      let deadline = Clock.timeStamp(after: 2_000_000_000)
      while Clock.timeStamp < deadline { KernelCall.sleep(events: Environment.events, deadline: deadline) }
      // Thousandths of a third of the time.
      share = time(of: 0) &* 3000 / (time(of: 0) &+ time(of: 1) &+ time(of: 2))
    }
    guard share >= 990 else { return fail("thousandths of a fair share", share) }
    guard unsafe libos_load64(words &+ 56) > 10 else { return fail("slices that were given away") }
    for environment in [honest, friend, other] { try environment.destroy() }
  } catch { return fail(error) }
  Console.line("friends have their shares, and no more")
  return 0
}

/// Words: the time each of three environments has had, zero, the handle of the second one's friend and of the third
/// one's, zero, how often a friend gave its slice away.
private nonisolated(unsafe) var words: UInt = 0

private func time(of index: UInt64) -> UInt64 { unsafe libos_load64(words &+ UInt(index) &* 8) }

/// Computes, and counts the time between two looks at the clock, but for what is so long that others have had it.
private func work(_ number: UInt64, _ page: UInt64) -> Int32 {
  let mine = unsafe words &+ UInt(number) &* 8
  let friend = number == 0 ? 0 : unsafe libos_load64(words &+ 24 &+ UInt(number) &* 8)
  var before = Clock.timeStamp
  if number > 0 { CriticalSection.enter(page: page) }
  while true {
    let now = Clock.timeStamp
    if now &- before < longestLook { libos_store64(mine, libos_load64(mine) &+ now &- before) }
    before = now
    guard number > 0 else { continue }
    libos_look_again()
    let due = UInt(page) &+ epilogueDue
    guard libos_load64(due) != 0 else { continue }
    libos_store64(due, 0)
    unsafe libos_store64(words &+ 56, libos_load64(words &+ 56) &+ 1)
    _ = libos_yield_to(friend)
  }
}

/// Longest time between two looks of an environment that runs, in time-stamp units: far less than a slice.
private let longestLook: UInt64 = 100_000

/// Where an environment page has `EnvironmentPage.epilogueDue`.
private let epilogueDue: UInt = 72
