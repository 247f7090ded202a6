import ExokernelABI
import LibOS

/// `fuzz:SEED,CALLS` makes that many random calls in environments that it makes for this, one after the other: each
/// goes on until a call ends it, or leaves it unable to run. `fuzz:watch,PROGRAMS` must be started first, before so
/// many of them: it is the neighbour, looks at the books, and clears up behind them.
@c(program_main)
public func fuzzMain() -> Int32 {
  let first = argument(0)
  guard let second = argument(1) else {
    Console.line("FAILED: say fuzz:SEED,CALLS or fuzz:watch,PROGRAMS")
    return ExitStatus.usage
  }
  guard let seed = first else { return watch(programs: second) }
  return makeCalls(seed: seed, calls: second)
}

/// A number among the arguments, counted from 0; nil where it is none. Takes nothing from the heap, which each
/// environment would have to copy.
private func argument(_ position: Int) -> UInt64? {
  var value: UInt64?
  var comma = 0
  for index in 0..<Environment.argumentsLength {
    let byte = Environment.argumentsByte(index)
    if byte == UInt8(ascii: ",") {
      comma += 1
    } else if comma == position {
      guard byte >= 48, byte < 58 else { return nil }
      value = (value ?? 0) &* 10 &+ UInt64(byte &- 48)
    }
  }
  return value
}

/// Has `calls` calls made, and tells how many were accepted.
private func makeCalls(seed: UInt64, calls: UInt64) -> Int32 {
  guard let address = PageSpace.mapAnywhere(count: 1), let frame = Books.frameNumber(of: address) else {
    Console.line("FAILED: no memory")
    return ExitStatus.systemError
  }
  let page = SharedPage(address: address)
  page[.random] = seed ^ Environment.number &<< 56
  var lives: UInt64 = 0
  var made = CallCounts(calls: 0, accepted: 0, kinds: CallKinds())
  while made.calls < calls {
    guard let child = makeChild(frame) else { return ExitStatus.software }
    lives &+= 1
    made.store(in: page)
    page[.target] = calls
    page[.isReady] = 0
    page[.isGranted] = 0
    do throws(CallError) {
      try child.start()
      try follow(child, page)
    } catch { return fail("a call on its own environment was refused", error) }
    if page[.violation] == SharedPage.violated { return tellViolation(page, seed) }
    guard child.wait(milliseconds: 60_000) else {
      Console.line("FAILED: an environment that has ended stays")
      return ExitStatus.software
    }
    do throws(CallError) { try KernelCall.dropCapability(child.slot) } catch {
      return fail("a capability was lost", error)
    }
    made = made.later(page) ?? made
  }
  Console.put("fuzz: ")
  Console.put(made.calls)
  Console.put(" calls, ")
  Console.put(made.accepted)
  Console.put(" accepted, seed ")
  Console.put(seed)
  Console.put(", ")
  Console.put(lives)
  Console.put(" environments, kinds ")
  // Word after word, so that the host knows them however many calls there are.
  for index in 0..<CallKinds.words {
    if index != 0 { Console.put(",") }
    Console.put(hexadecimal: made.kinds.words[index])
  }
  Console.flush()
  return 0
}

/// What the environments have done that are believed.
private struct CallCounts {
  let calls: UInt64
  let accepted: UInt64
  let kinds: CallKinds

  /// What an environment finds that goes on with the calls.
  func store(in page: SharedPage) {
    page[.calls] = calls
    page[.accepted] = accepted
    page.kinds = kinds
  }

  /// The counts that an environment has left; nil where it made none of them, but had a call of its write over them.
  func later(_ page: SharedPage) -> CallCounts? {
    let new = CallCounts(calls: page[.calls], accepted: page[.accepted], kinds: page.kinds)
    guard new.calls &- calls <= Caller.limit, new.accepted &- accepted <= new.calls &- calls,
      new.kinds.isLater(than: kinds)
    else { return nil }
    return new
  }
}

/// An environment that can make calls, with the shared page; nil, and told, where there is none for a long time.
private func makeChild(_ frame: UInt64) -> ChildEnvironment? {
  let deadline = Clock.timeStamp(after: 30_000_000_000)
  var last = CallError.exhausted
  while Clock.timeStamp < deadline {
    do throws(CallError) {
      let spare = Quotas(frames: 640, slices: 3, filters: 2, extents: 6, environments: 3, regions: 6)
      let child = try ChildEnvironment.copy(spare: spare, makeRandomCalls)
      do throws(CallError) {
        let table = KernelCall.table(of: child.handle, capability: child.slot)
        for above in 0..<3 as Range<UInt64> {
          do throws(CallError) {
            try KernelCall.installTable(for: SharedPage.childAddress, level: 3 &- above, table: table)
          } catch { guard error == .busy else { throw error } }
        }
        try KernelCall.mapFrame(frame, at: SharedPage.childAddress, rights: .read | .write, table: table)
        return child
      } catch {
        last = error
        try child.destroy()
      }
    } catch { last = error }
    // Others may have what it takes; and whoever ended gives back in small steps.
    KernelCall.sleep(events: Environment.events, deadline: Clock.timeStamp(after: 2_000_000))
  }
  _ = fail("no environment can be made", last)
  return nil
}

/// Gives an environment the capabilities that it accepts, and waits until it has ended; ends it where it makes no call
/// any more.
private func follow(_ child: ChildEnvironment, _ page: SharedPage) throws(CallError) {
  var seen = page[.calls]
  // Until its first call it needs turns of others, too, and a busy host takes its time.
  var patience = Clock.timeStamp(after: 10_000_000_000)
  var slices = child.record?.slicesRun ?? 0
  while child.isLive {
    if page[.isReady] == 1, page[.isGranted] == 0 {
      for slot in CapabilitySlot.disks...CapabilitySlot.networks {
        do throws(CallError) {
          try KernelCall.grantCapability(slot, to: child.handle, into: slot, rights: .all)
        } catch {
          // It may have ended meanwhile.
          guard error == .noSuchResource || error == .notAccepted else { throw error }
        }
      }
      page[.isGranted] = 1
    }
    if page[.calls] != seen {
      seen = page[.calls]
      patience = Clock.timeStamp(after: 100_000_000)
      slices = child.record?.slicesRun ?? 0
    }
    let isStuck = Clock.timeStamp >= patience && hadItsTime(child, since: slices)
    if isStuck || page[.violation] == SharedPage.violated {
      do throws(CallError) { try KernelCall.destroyEnvironment(child.handle, capability: child.slot) } catch {
        guard error == .noSuchResource else { throw error }
      }
      return
    }
    // Long enough that looking takes no great part of a processor that is shared.
    let pause: UInt64 = page[.isGranted] == 1 ? 5_000_000 : 500_000
    KernelCall.sleep(events: Environment.events, deadline: Clock.timeStamp(after: pause))
  }
}

/// Whether an environment could have made a call since it had run so many slices: it had a whole one, or waits for
/// something. The time alone does not tell: where the host is busy, slices pass in which nothing runs, and an
/// environment costs more to make than to wait for.
private func hadItsTime(_ child: ChildEnvironment, since slices: UInt64) -> Bool {
  guard let record = child.record, record.state == EnvironmentState.runnable.rawValue else { return true }
  return record.slicesRun &- slices > 2
}

private func tellViolation(_ page: SharedPage, _ seed: UInt64) -> Int32 {
  Console.put("FAILED: call ")
  Console.put(page[.number])
  Console.put(" with")
  let arguments: InlineArray<5, UInt64> = [page[.a], page[.b], page[.c], page[.d], page[.e]]
  for index in arguments.indices {
    Console.put(" ")
    Console.put(hexadecimal: arguments[index])
  }
  Console.put(" returned ")
  Console.put(hexadecimal: page[.result])
  Console.put(", seed ")
  Console.put(seed)
  Console.flush()
  return ExitStatus.software
}

private func fail(_ what: StaticString, _ error: CallError) -> Int32 {
  Console.put("FAILED: ")
  Console.put(what)
  Console.put(", error ")
  Console.put(UInt64(bitPattern: -error.rawValue))
  Console.flush()
  return ExitStatus.software
}
