extension CallList {
  /// Calls on the processor: who runs, when, and what they are told of.
  static let processor: [CallDescription] = [
    CallDescription(
      "null", 0, .processor, [], result: .nothing,
      doc: "does nothing. Its arguments are free for whoever traces the machine.",
      cost: .init(checks: "-", budget: "35, found 14"), glue: .handWritten, stub: .handWritten, fuzz: .init(.none)),
    CallDescription(
      "exit", 1, .processor, [Argument("status", .status)], result: .nothing,
      doc: "ends this environment; does not return.",
      cost: .init(checks: "-", bound: "tables of slices, filters, extents, regions, capabilities, environments"),
      glue: .handWritten, stub: .handWritten, fuzz: .init(rarity: 40, .always)),
    CallDescription(
      "yield", 2, .processor, [], result: .nothing, doc: "gives up the rest of the slice.",
      cost: .init(checks: "-", bound: "vector of 64", budget: "see slice end"),
      glue: .handWritten, stub: .handWritten, fuzz: .init(.none)),
    CallDescription(
      "yieldTo", 3, .processor, [Argument("environment", .environment)], result: .nothing,
      doc: """
        gives the rest of the slice to an environment that can run. A gift, so no capability is needed. Once the slice \
        is over, it is a yield.
        """,
      cost: .init(checks: "runnable, runs nowhere", budget: "90, found 54"),
      glue: .handWritten, stub: .handWritten, fuzz: .init(.none)),
    CallDescription(
      "sleep", 4, .processor, [Argument("events", .events), Argument("deadline", .deadline)], result: .nothing,
      doc: """
        runs again when the environment page's event count differs from `events`, at the time-stamp `deadline` (0: no \
        deadline), or behind a revocation upcall.
        """,
      cost: .init(checks: "event count", bound: "vector of 64"),
      glue: .handWritten, stub: .handWritten, fuzz: .init(rarity: 4, .none)),
    CallDescription(
      "sleepUntil", 5, .processor, [], result: .nothing,
      doc: """
        runs again when a term of the predicate holds that `predicateBind` bound last, or behind a revocation upcall; \
        at once where it holds, or none is bound.
        """,
      cost: .init(checks: "predicate", bound: "vector of 64; 8 comparisons", budget: "predicate 50, found 47"),
      glue: .handWritten, stub: .handWritten, fuzz: .init(rarity: 4, .none)),
    CallDescription(
      "predicateBind", 6, .processor,
      [.slot(over: .own), Argument("frame", .frame), Argument("offset", .offset), Argument("count", .count)],
      result: .nothing,
      doc: """
        takes over up to `Comparison.maximum` `Comparison`s from a frame as this environment's wakeup predicate; 0 \
        unbinds. Each names the capability for its own word. All need the right to read.
        """,
      cost: .init(checks: "each word's own capability reads its frame; offsets", bound: "8 comparisons"),
      stub: .generated("bindPredicate", ["frame", "offset", "count", "capability slot = CapabilitySlot.own"]),
      fuzz: .init(.none)),
    CallDescription(
      "wake", 7, .processor, [.slot(over: .environment), Argument("environment", .environment)], result: .nothing,
      doc: "counts an event of a sleeper and lets its processor look at once. Needs the right to call.",
      cost: .init(checks: "right to call", bound: "processors"),
      stub: .generated("wake", ["_ environment", "capability slot"]), fuzz: .init(.none)),
    CallDescription(
      "upcallBind", 8, .processor,
      [
        Argument("fault", .entry), Argument("epilogue", .entry), Argument("prologue", .entry),
        Argument("revocation", .entry),
      ], result: .nothing,
      doc: """
        names the entries for page faults, for the end and the beginning of a slice, and for requests to give \
        resources back; 0 for none.
        """,
      cost: .init(checks: "entries below `userEnd`"),
      stub: .generated("bindUpcalls", ["fault", "epilogue", "prologue = 0", "revocation = 0"]),
      fuzz: .init(rarity: 16, .always)),
    CallDescription(
      "faultDecline", 9, .processor, [], result: .nothing,
      doc: """
        says that the page fault last upcalled is not one the libOS can serve; ends this environment with an epitaph.
        """,
      cost: .init(checks: "-", bound: "as exit"), glue: .handWritten, stub: .handWritten,
      fuzz: .init(rarity: 40, .always)),
    CallDescription(
      "exceptionDecline", 10, .processor,
      [Argument("vector", .vector), Argument("instruction", .entry), Argument("code", .code)], result: .nothing,
      doc: "says the same of another exception; the gate page calls it where there is no entry.",
      cost: .init(checks: "-", bound: "as exit"), glue: .handWritten, stub: .handWritten,
      fuzz: .init(rarity: 40, .always)),
    CallDescription(
      "transferBind", 11, .processor,
      [
        Argument("entry", .entry), Argument("stack", .stack), Argument("name", .name), Argument("length", .length),
      ], result: .nothing,
      doc: """
        says where protected control transfers arrive (entry 0: nowhere), and from whom: from environments whose \
        guards have the first `length` bytes of `name`.
        """,
      cost: .init(checks: "addresses"), stub: .generated("bindTransfer", ["entry", "stack", "name", "length"]),
      fuzz: .init(rarity: 16, .always)),
    CallDescription(
      "transfer", 12, .processor, [.slot(over: .environment), Argument("environment", .environment)], result: .caller,
      doc: """
        goes on as the other environment, at the entry that it bound, with the callee-saved registers as arguments and \
        the caller's handle in rax; all others are empty, those of SSE, AVX and x87, too. The caller stays runnable, the callee gets the rest of the slice. \
        Needs the right to call, but for an answer to somebody who waits for it. \
        Once the slice is over, it says `again`: yield first.
        """,
      cost: transferCost, glue: .handWritten, stub: .handWritten, fuzz: .init(rarity: 4, .none)),
    CallDescription(
      "sliceAllocate", 13, .processor, [.slot(over: .own), Argument("position", .position)], result: .position,
      doc: """
        takes a free position of a slice vector, processor << 8 | position, or any (`CallNumber.any`); returns it. \
        Needs the right to allocate.
        """,
      cost: .init(checks: "right to allocate, quota, position free", bound: "64"),
      stub: .generated("allocateSlice", ["_ position = CallNumber.any", "capability slot = CapabilitySlot.own"]),
      fuzz: .init(.none)),
    CallDescription(
      "sliceFree", 14, .processor, [.slot(over: .own), Argument("position", .position)], result: .nothing,
      doc: """
        gives a position back. Needs the right to allocate. An owner that owes the position's processor a slice or more \
        pays first: `again`.
        """,
      cost: .init(checks: "guard of the position, not the last one, its owner's debt", bound: "64"),
      stub: .generated("freeSlice", ["_ position", "capability slot = CapabilitySlot.own"]), fuzz: .init(.none)),
    CallDescription(
      "sliceGive", 15, .processor,
      [.slot(over: .own), Argument("position", .position), Argument("environment", .table)], result: .nothing,
      doc: """
        gives a position to another environment; needs the right to allocate over the position, and to control the \
        receiver. An owner that owes the position's processor a slice or more pays first: `again`.
        """,
      cost: .init(
        checks: "guards of position and receiver, not the last one, the receiver's quota, the owner's debt",
        bound: "64"),
      stub: .generated("giveSlice", ["_ position", "to environment", "capability slot = CapabilitySlot.own"]),
      fuzz: .init(.none)),
    CallDescription(
      "call", 53, .processor,
      [.slot(over: .environment), Argument("environment", .environment), Argument("deadline", .deadline)],
      result: .caller,
      doc: """
        is a transfer after which the caller waits until the callee transfers to it; it goes on behind its call. The \
        callee runs in the caller's slices, too. `Handle.none` is returned where the callee ended instead, the \
        time-stamp `deadline` came (0: no deadline), or the caller was told of a revocation.
        """,
      cost: transferCost, glue: .handWritten, stub: .handWritten, fuzz: .init(rarity: 4, .none)),
    CallDescription(
      "answer", 54, .processor, [.slot(over: .environment), Argument("environment", .environment)], result: .caller,
      doc: """
        is a transfer after which the caller sleeps until it is transferred to, or an event comes. How a server answers.
        """,
      cost: transferCost, glue: .handWritten, stub: .handWritten, fuzz: .init(rarity: 4, .none)),
  ]

  private static let transferCost = CallDescription.Cost(
    checks: """
      right to call (not to answer who waits); the callee sleeps and accepts the caller's guard, or waits for it
      """, budget: "70, found 66")
}
