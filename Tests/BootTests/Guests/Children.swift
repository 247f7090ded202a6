import CLibOS
import ExokernelABI
import GuestSupport
import LibOS

/// Makes, starts and destroys a thousand environments, and looks whether the books are as before: most of them share
/// this program's page table, every tenth has one of its own. The argument says how many hundreds of cycles.
@c(program_main)
public func programMain() -> Int32 {
  // Not `Environment.arguments`, which takes the heap, which every copy would have to copy.
  let hundreds = UInt64(libos_load8(UInt(AddressMap.environmentPage &+ EnvironmentPage.argumentsOffset))) &- 48
  guard cycle(0), cycle(1), cycle(2), cycle(11) else { return 1 }
  let before = Holdings.now
  for number in 0..<hundreds &* 100 where !cycle(number) { return 1 }
  let after = Holdings.now
  guard after == before else {
    Console.put("FAILED: the books before and after: ")
    before.print()
    after.print()
    return 1
  }
  Console.put(hundreds &* 100)
  Console.line(" environments came and went, the books are as before")
  return 0
}

/// One environment's life. Most share the page table; every third is destroyed, the others exit.
private func cycle(_ number: UInt64) -> Bool {
  let destroyed = number % 3 == 2
  let isCompanion = number % 10 != 1
  do throws(CallError) {
    let child =
      isCompanion
      ? try ChildEnvironment.companion(argument: number, destroyed ? endless : answer)
      : try ChildEnvironment.copy(argument: number, destroyed ? endless : answer)
    guard child.record?.state == EnvironmentState.created.rawValue else {
      return failed("a created environment", in: number)
    }
    try child.start()
    if destroyed {
      while let record = child.record, record.slicesRun == 0 { KernelCall.yield() }
      try child.destroy()
    }
    guard child.wait() else { return failed("an environment that is gone", in: number) }
    if !destroyed { try child.destroy() }
    // The record is free, but nobody has used it since.
    let status = child.lastRecord?.exitStatus
    guard status == (destroyed ? 0 : UInt32(number & 0x7f)) else { return failed("its exit status", in: number) }
  } catch {
    _ = fail(error)
    return failed("a call", in: number)
  }
  return true
}

private func answer(_ argument: UInt64, _ page: UInt64) -> Int32 { Int32(truncatingIfNeeded: argument & 0x7f) }

private func endless(_ argument: UInt64, _ page: UInt64) -> Int32 {
  while true { libos_pause() }
}

/// Tells of a failure, and is false.
private func failed(_ what: StaticString, in cycle: UInt64) -> Bool { fail(what, cycle, behind: " in cycle ") == 0 }

/// What the books say that this program and the machine have.
private struct Holdings: Equatable {
  var freeFrames = Books.header.freeFrames
  var live = Books.header.liveEnvironments
  var records: UInt64 = 0
  var slices: UInt64 = 0
  var used: InlineArray<6, UInt32> = [0, 0, 0, 0, 0, 0]

  static var now: Holdings {
    var holdings = Holdings()
    for index in 0..<BooksLayout.environments where Books.environment(index)?.state != EnvironmentState.free.rawValue {
      holdings.records &+= 1
    }
    for position in 0..<BooksLayout.slices where Books.sliceOwnerPlusOne(position) != 0 { holdings.slices &+= 1 }
    if let own = Books.environment(Environment.number) {
      for kind in 0..<6 { holdings.used[kind] = own.quotas.values[kind].used }
    }
    return holdings
  }

  static func == (left: Holdings, right: Holdings) -> Bool {
    for kind in 0..<6 where left.used[kind] != right.used[kind] { return false }
    return left.freeFrames == right.freeFrames && left.live == right.live && left.records == right.records
      && left.slices == right.slices
  }

  func print() {
    let numbers: InlineArray<4, UInt64> = [UInt64(freeFrames), UInt64(live), records, slices]
    for index in numbers.indices {
      Console.put(numbers[index])
      Console.put(" ")
    }
    for kind in 0..<6 {
      Console.put(UInt64(used[kind]))
      Console.put(" ")
    }
    Console.line("")
  }
}
