import ExokernelABI
import LibOS

/// A well-behaved program beside wild ones: it computes and yields for a while, and says that it is well.
@c(program_main)
public func programMain() -> Int32 {
  let deadline = Clock.nanoseconds + 300_000_000
  var rounds: UInt64 = 0
  while Clock.nanoseconds < deadline {
    KernelCall.yield()
    rounds += 1
  }
  Console.put("neighbour is well after ")
  Console.put(rounds > 0 ? "many" : "no")
  Console.line(" rounds")
  return 0
}
