import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Two processors: environments that run at the same time, wake each other, and lose translations when a page is taken
/// from both.
@c(program_main)
public func programMain() -> Int32 {
  guard Books.header.processorCount == 2 else { return fail("two processors", UInt64(Books.header.processorCount)) }
  guard let pages = PageSpace.mapAnywhere(count: 2) else { return fail("memory") }
  do throws(CallError) {
    try playsInParallel(pages)
    try wakesAcross(pages)
    guard try losesTranslation(pages, protects: true) else { return fail("a page that was protected") }
    guard try losesTranslation(pages, protects: false) else { return fail("a page that was unmapped") }
  } catch { return fail(error) }
  return verdict("two processors are two", or: "two processors are not two")
}

/// An environment on the other processor and we hand a number back and forth without giving a processor up: one
/// processor would take a slice for each time.
private func playsInParallel(_ page: UInt64) throws(CallError) {
  let partner = try ChildEnvironment.companion(argument: page) { ball, _ in
    var number: UInt64 = 1
    while number < 100_000 {
      while libos_load64(UInt(ball)) != number { libos_pause() }
      number += 2
      libos_store64(UInt(ball), number - 1)
    }
    return 0
  }
  try partner.start(position: otherProcessor << 8 | 5)
  let start = Clock.nanoseconds
  var number: UInt64 = 0
  while number < 100_000, Clock.nanoseconds &- start < 40_000_000_000 {
    if libos_load64(UInt(page)) == number {
      number += 2
      libos_store64(UInt(page), number - 1)
    }
    libos_pause()
  }
  if number < 100_000 { _ = fail("environments that run in parallel", number) }
  try partner.destroy()
  guard partner.wait() else { throw .busy }
}

/// The processor on which this program does not run: its own position says.
private var otherProcessor: UInt64 {
  for position in 0..<BooksLayout.slices
  where Books.sliceOwnerPlusOne(position) == UInt32(truncatingIfNeeded: Environment.number) + 1 {
    return 1
  }
  return 0
}

/// An environment sleeps on the other, idle, processor, and is woken fifty times.
private func wakesAcross(_ page: UInt64) throws(CallError) {
  libos_store64(UInt(page), 0)
  let sleeper = try ChildEnvironment.companion(argument: page) { word, own in
    var events = libos_load64(UInt(own))
    while libos_load64(UInt(word)) < 50 {
      while libos_load64(UInt(own)) == events { KernelCall.sleep(events: events, deadline: 0) }
      events = libos_load64(UInt(own))
      libos_store64(UInt(word), libos_load64(UInt(word)) + 1)
    }
    return 0
  }
  try sleeper.start(position: otherProcessor << 8 | 6)
  for round in 0..<50 as Range<UInt64> {
    let deadline = Clock.timeStamp(after: 2_000_000_000)
    while sleeper.record?.state != EnvironmentState.sleeping.rawValue, Clock.timeStamp < deadline { libos_pause() }
    try KernelCall.wake(sleeper.handle, capability: sleeper.slot)
    while libos_load64(UInt(page)) == round, Clock.timeStamp < deadline { libos_pause() }
    guard libos_load64(UInt(page)) == round + 1 else {
      _ = fail("a wake call to the other processor", round)
      break
    }
  }
  try sleeper.destroy()
  guard sleeper.wait() else { throw .busy }
}

/// An environment on the other processor writes a page again and again. When the page has been protected, or is mapped
/// no more, nothing is written from then on, and the writer has faulted.
private func losesTranslation(_ pages: UInt64, protects: Bool) throws(CallError) -> Bool {
  let page = pages &+ 4096
  guard let frame = Books.frameNumber(of: page) else { return false }
  libos_store64(UInt(page), 0)
  let writer = try ChildEnvironment.companion(argument: page) { word, _ in
    var number: UInt64 = 0
    while true {
      number += 1
      libos_store64(UInt(word), number)
    }
  }
  try writer.start(position: otherProcessor << 8 | 7)
  let deadline = Clock.timeStamp(after: 2_000_000_000)
  while libos_load64(UInt(page)) < 1000, Clock.timeStamp < deadline { libos_pause() }
  var word = page
  if protects {
    try KernelCall.protectPages(at: page, rights: .read)
  } else {
    word = pages
    try KernelCall.unmapFrame(at: pages)
    try KernelCall.mapFrame(frame, at: pages, rights: .read)
    try KernelCall.unmapFrame(at: page)
  }
  let last = libos_load64(UInt(word))
  guard last >= 1000, writer.wait() else { return false }
  let status = writer.lastRecord?.exitStatus
  guard libos_load64(UInt(word)) == last, status == 139 else { return false }
  if protects { try KernelCall.protectPages(at: page, rights: .read | .write) }
  try writer.destroy()
  return true
}
