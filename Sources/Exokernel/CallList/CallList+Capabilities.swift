extension CallList {
  /// Calls on capabilities.
  static let capabilities: [CallDescription] = [
    CallDescription(
      "capabilityDerive", 16, .capabilities,
      [
        .slot(over: .own), Argument("into", .emptySlot), Argument("name", .name),
        Argument(low: ("length", .length), high: ("rights", .rights)),
      ], result: .nothing, doc: "puts a weaker capability into an empty slot.",
      cost: .init(checks: "only weaker; empty slot"),
      stub: .generated("deriveCapability", ["from slot", "into", "name", "length", "rights"]), fuzz: .init(.none)),
    CallDescription(
      "capabilityAccept", 17, .capabilities, [Argument("slot", .emptySlot), Argument("environment", .environment)],
      result: .nothing,
      doc: "lets that environment fill this empty slot, once; `Handle.none` forbids it again.",
      cost: .init(checks: "empty slot, environment"),
      stub: .generated("acceptCapability", ["slot", "from environment"]), fuzz: .init(.none)),
    CallDescription(
      "capabilityGrant", 18, .capabilities,
      [
        .slot(over: .environment), Argument("environment", .environment), Argument("into", .emptySlot),
        Argument("rights", .rights),
      ], result: .nothing,
      doc: """
        puts the capability, with those of its rights, into a slot that accepts it from this environment. Needs the \
        right to grant.
        """,
      cost: .init(checks: "right to grant; the receiver named the giver; empty slot"),
      stub: .generated("grantCapability", ["_ slot", "to environment", "into", "rights"]),
      fuzz: .init(.rights("rights"))),
    CallDescription(
      "capabilityDrop", 19, .capabilities, [Argument("slot", .emptySlot)], result: .nothing, doc: "empties a slot.",
      cost: .init(checks: "-"), stub: .generated("dropCapability", ["_ slot"]), fuzz: .init(.none)),
    CallDescription(
      "capabilityDestroy", 20, .capabilities,
      [.slot(over: .environment), Argument("name", .name), Argument("length", .length)], result: .slots,
      doc: """
        empties every other slot of every environment that holds a capability whose name starts with this one; returns \
        how many. Needs the right to revoke. What was bound with them stays bound.
        """,
      cost: .init(checks: "right to revoke over the name", bound: "1024 slots"),
      stub: .generated("destroyCapabilities", ["slot", "name", "length"]), fuzz: .init(.none)),
  ]
}
