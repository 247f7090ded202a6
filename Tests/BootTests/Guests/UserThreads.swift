import LibOS

/// Three threads of one program take turns, and the first waits for the others.
@c(program_main)
public func programMain() -> Int32 {
  let turns = Turns()
  var identifiers: [Threads.Identifier] = []
  for number in 1...3 as ClosedRange<UInt64> {
    let thread = Threads.start {
      for _ in 0..<3 {
        turns.order = turns.order * 10 + number
        Threads.yield()
      }
    }
    guard let thread else { return 71 }
    identifiers.append(thread)
  }
  for identifier in identifiers { Threads.join(identifier) }
  Console.put("order ")
  Console.put(turns.order)
  Console.flush()
  return 0
}

private final class Turns {
  var order: UInt64 = 0
}
