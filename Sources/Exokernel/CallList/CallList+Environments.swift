extension CallList {
  /// Calls on environments.
  static let environments: [CallDescription] = [
    CallDescription(
      "environmentCreate", 21, .environments, [.slot(over: .own), Argument("into", .emptySlot)], result: .environment,
      doc: """
        makes an environment as the environment page's `CreationBlock` says; returns its handle, and puts a capability \
        for it, with all rights, into the empty slot `into`. Needs the right to allocate.
        """,
      cost: .init(
        checks: "right to allocate, quotas, empty slot, place of the page", bound: "64 records, two frames cleared"),
      stub: .handWritten, fuzz: .init(rarity: 4, .none)),
    CallDescription(
      "environmentStart", 22, .environments,
      [
        .slot(over: .environment), Argument("environment", .environment), Argument("entry", .entry),
        Argument("stack", .stack), Argument("position", .position),
      ], result: .nothing,
      doc: "lets it run, on a position of a slice vector as for `sliceAllocate`. Needs the right to control.",
      cost: .init(checks: "right to control, state, entry, quota", bound: "64"),
      stub: .generated(
        "startEnvironment",
        ["_ environment", "capability slot", "entry", "stack", "position = CallNumber.any"]),
      fuzz: .init(.always)),
    CallDescription(
      "environmentDestroy", 23, .environments, [.slot(over: .environment), Argument("environment", .environment)],
      result: .nothing, doc: "ends it. Needs the right to control.",
      cost: .init(checks: "right to control", bound: "as exit"), glue: .handWritten,
      stub: .generated("destroyEnvironment", ["_ environment", "capability slot"]), fuzz: .init(.always)),
    CallDescription(
      "environmentGuard", 24, .environments,
      [
        .slot(over: .environment), Argument("environment", .environment), Argument("name", .name),
        Argument("length", .length),
      ], result: .nothing,
      doc: "gives it another guard, which the capability dominates, too. Needs the right to control.",
      cost: .init(checks: "right to control over both guards"),
      stub: .generated("guardEnvironment", ["_ environment", "capability slot", "name", "length"]), fuzz: .init(.none)),
    CallDescription(
      "quotaMove", 25, .environments,
      [
        .slot(over: .environment), Argument("environment", .environment), Argument("kind", .resourceKind),
        Argument("amount", .amount),
      ], result: .nothing,
      doc: """
        moves a part of this environment's quota to that of one that it made; a negative amount takes back what it \
        does not use. Needs the right to control.
        """,
      cost: .init(checks: "right to control, the maker's, what is unused"),
      stub: .generated("moveQuota", ["of kind", "to environment", "capability slot", "amount"]), fuzz: .init(.none)),
    CallDescription(
      "revoke", 26, .environments,
      [
        .slot(over: .environment), Argument("environment", .environment),
        Argument(low: ("kind", .resourceKind), high: ("count", .count)), Argument("deadline", .deadline),
      ], result: .nothing,
      doc: """
        asks an environment to give `count` resources of a kind back, of frames, positions or filters; at the \
        time-stamp `deadline` the kernel takes what is missing. Needs the right to revoke.
        """,
      cost: .init(checks: "right to revoke, at most 64, one request at a time"),
      stub: .generated("revoke", ["_ count", "of kind", "from environment", "capability slot", "deadline"]),
      fuzz: .init(.always)),
  ]
}
