import LibOS

/// Uses more stack than it was given: the library operating system's fault handler grows it.
@c(program_main)
public func programMain() -> Int32 {
  Console.put("sum ")
  Console.put(descend(1500))
  Console.flush()
  return 0
}

/// The sum of 1...`depth`, with a hundred bytes of stack a step.
@inline(never)
private func descend(_ depth: UInt64) -> UInt64 {
  var ballast = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as InlineArray<10, UInt64>
  ballast[Int(depth % 10)] = depth
  guard depth > 1 else { return 1 }
  let rest = descend(depth - 1)
  return rest + ballast[Int(depth % 10)]
}
