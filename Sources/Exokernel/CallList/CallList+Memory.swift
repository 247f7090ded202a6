extension CallList {
  /// Calls on frames, page tables and regions.
  static let memory: [CallDescription] = frames + pageTables + largeFrames + regions

  private static let capability = "capability slot = CapabilitySlot.own"
  private static let table = "table = Handle.own"

  private static let frames: [CallDescription] = [
    CallDescription(
      "frameAllocate", 27, .memory, [.slot(over: .own), Argument("frame", .frame)], result: .frame,
      doc: """
        makes a free frame, a named one or any (`CallNumber.any`), this environment's, guarded by the capability \
        presented; returns its number. Needs the right to allocate.
        """,
      cost: .init(checks: "right to allocate, quota", bound: "128 frames looked at; 4 KiB cleared"),
      stub: .generated("allocateFrame", ["_ frame = CallNumber.any", capability], repeats: true), fuzz: .init(.none)),
    CallDescription(
      "frameFree", 28, .memory, [.slot(over: .own), Argument("frame", .frame)], result: .nothing,
      doc: "gives back a frame that is not mapped and not in a device's hands. Needs the right to allocate.",
      cost: .init(
        checks: "right to allocate over the guard, not mapped, not pinned but by others' predicates",
        bound: "predicates"),
      stub: .generated("freeFrame", ["_ frame", capability]), fuzz: .init(.none)),
    CallDescription(
      "frameGuard", 35, .memory,
      [
        .slot(over: .own), Argument("frame", .frame), Argument("name", .name),
        Argument(low: ("length", .length), high: ("allowed", .rights)),
      ], result: .nothing,
      doc: """
        gives a frame another guard, which the capability dominates, too, and says which rights new mappings may have. \
        Needs the right to allocate.
        """,
      cost: .init(checks: "right to allocate over both guards"),
      stub: .generated("guardFrame", ["_ frame", "name", "length", "allowed", capability]), fuzz: .init(.none)),
    CallDescription(
      "frameGive", 36, .memory,
      [.slot(over: .own), Argument("frame", .frame), Argument("environment", .table)], result: .nothing,
      doc: """
        makes a frame another environment's, if its quota has room. Needs the right to allocate over the frame and to \
        control over the environment.
        """,
      cost: .init(
        checks: """
          right to allocate over the frame, to control the receiver; its quota; not pinned but by others' predicates
          """, bound: "predicates"),
      stub: .generated("giveFrame", ["_ frame", "to environment", capability]), fuzz: .init(.frame("frame"))),
  ]

  private static let pageTables: [CallDescription] = [
    CallDescription(
      "frameMap", 29, .memory,
      [
        .slot(over: .own), Argument("frame", .frame), Argument("address", .address),
        Argument(low: ("rights", .rights), high: ("count", .pageCount)), Argument("table", .table),
      ], result: .pages,
      doc: """
        maps a run of `count` frames (0 counts as 1; at most 64) at pages of one table that have no mapping. Stops at \
        the first that is not like the first one; returns how many, at least 1.
        """,
      cost: .init(
        checks: "guard, rights, what the frame allows, address, table present, page free", bound: "64 pages",
        budget: "80 and 12 each, found 74 and 12"),
      glue: .shortcut,
      stub: .generated(
        "mapFrame", ["_ frame", "at address", "rights", "count = 1", table, capability], isDiscardable: true),
      fuzz: .init(.address("address"))),
    CallDescription(
      "frameUnmap", 30, .memory,
      [Argument("address", .address), Argument("count", .pageCount), Argument("table", .table)], result: .pages,
      doc: """
        removes the mappings of up to 64 pages of one table; stops at the first that has none; returns how many, at \
        least 1.
        """,
      cost: .init(
        checks: "address, mapped, no environment page", bound: "64 pages, then one flush",
        budget: "80 and 12 each, found 51 and 12"),
      glue: .shortcut,
      stub: .generated("unmapFrame", ["at address", "count = 1", table], isDiscardable: true),
      fuzz: .init(.address("address"))),
    CallDescription(
      "frameProtect", 31, .memory,
      [
        .slot(over: .own), Argument("address", .address),
        Argument(low: ("rights", .rights), high: ("count", .pageCount)), Argument("table", .table),
      ], result: .pages,
      doc: """
        gives mapped pages other rights and clears their accessed and dirty bits; stops as `frameMap` does; returns \
        how many, at least 1.
        """,
      cost: .init(checks: "as frameMap", bound: "64 pages"),
      stub: .generated(
        "protectPages", ["at address", "rights", "count = 1", table, capability], isDiscardable: true),
      fuzz: .init(.address("address"))),
    CallDescription(
      "entryWrite", 32, .memory,
      [Argument("address", .address), Argument("value", .entryValue), Argument("table", .table)], result: .nothing,
      doc: "writes an entry that maps nothing: 63 bits of the libOS's own, the lowest one zero.",
      cost: .init(checks: "maps nothing, before and after"),
      stub: .generated("writeEntry", ["at address", "_ value", table]), fuzz: .init(.address("address"))),
    CallDescription(
      "tableInstall", 33, .memory,
      [
        .slot(over: .own), Argument("frame", .frame), Argument("address", .address), Argument("level", .level),
        Argument("table", .table),
      ], result: .nothing,
      doc: """
        gives a frame, a named one or a fresh one (`CallNumber.any`), to be the page table of `level` (1...3) for an \
        address; where the table is another environment's, the frame becomes that one's. Needs the rights to write and \
        to allocate.
        """,
      cost: .init(
        checks: "rights, owner, parent present, entry free, level", bound: "4 levels; 4 KiB cleared"),
      stub: .generated(
        "installTable", ["_ frame = CallNumber.any", "for address", "level", table, capability], repeats: true),
      fuzz: .init(.address("address"))),
    CallDescription(
      "framesAllocateMapped", 34, .memory,
      [
        .slot(over: .own), Argument("address", .address), Argument("count", .pageCount), Argument("table", .table),
      ], result: .pages,
      doc: """
        maps up to 64 fresh frames read-write at consecutive pages under one table; they belong to the environment \
        whose table it is. Returns how many, at least 1. `busy` where a page has a mapping. Needs the rights to read, \
        to write and to allocate.
        """,
      cost: .init(checks: "rights, quota, table, pages free", bound: "64 times frameAllocate"),
      stub: .generated("allocateMapped", ["at address", "count", table, capability], repeats: true),
      fuzz: .init(rarity: 4, .address("address"))),
  ]

  private static let largeFrames: [CallDescription] = [
    CallDescription(
      "largeAllocate", 37, .memory, [.slot(over: .own)], result: .largeFrame,
      doc: """
        takes 512 frames in a row, on a boundary of 2 MiB; returns the first, which stands for all. `again` where the \
        only free ones are being cleared, which takes 512 ends of slices each, or an idle processor. Needs the right \
        to allocate.
        """,
      cost: .init(checks: "right to allocate, quota", bound: "512 records"),
      stub: .generated("allocateLarge", [capability]), fuzz: .init(rarity: 16, .none)),
    CallDescription(
      "largeFree", 38, .memory, [.slot(over: .own), Argument("frame", .largeFrame)], result: .nothing,
      doc: "gives them back. Needs the right to allocate.",
      cost: .init(checks: "right to allocate over the guard, not mapped, not pinned"),
      stub: .generated("freeLarge", ["_ frame", capability]), fuzz: .init(rarity: 16, .none)),
    CallDescription(
      "largeMap", 39, .memory,
      [
        .slot(over: .own), Argument("frame", .largeFrame), Argument("address", .largeAddress),
        Argument("rights", .rights),
      ], result: .nothing, doc: "maps them at an address from `AddressMap.largePages` on.",
      cost: .init(checks: "as frameMap"),
      stub: .generated("mapLarge", ["_ frame", "at address", "rights", capability]),
      fuzz: .init(.none)),
    CallDescription(
      "largeUnmap", 40, .memory, [Argument("address", .largeAddress)], result: .nothing,
      doc: "removes that mapping.", cost: .init(checks: "address, mapped"),
      stub: .generated("unmapLarge", ["at address"]), fuzz: .init(.none)),
  ]

  private static let regions: [CallDescription] = [
    CallDescription(
      "regionBind", 41, .memory,
      [
        .slot(over: .own), Argument("frame", .frame), Argument(low: ("offset", .offset), high: ("count", .byteCount)),
        Argument("name", .name), Argument("length", .length),
      ], result: .region,
      doc: """
        makes up to 4,096 bytes of a frame a region with a guard of its own, which the capability dominates, too; \
        returns its handle. Pins the frame. Needs the rights to read, to write and to allocate.
        """,
      cost: .init(checks: "rights over both guards, owner of the frame, range, quota", bound: "64 regions"),
      stub: .generated("bindRegion", ["frame", "offset", "count", "name", "length", capability]), fuzz: .init(.none)),
    CallDescription(
      "regionUnbind", 42, .memory, [.slot(over: .own), Argument("region", .region)], result: .nothing,
      doc: "removes a region. Needs the right to allocate.", cost: .init(checks: "guard, right"),
      stub: .generated("unbindRegion", ["_ region", capability]), fuzz: .init(.none)),
    CallDescription(
      "regionRead", 43, .memory,
      [
        .slot(over: .own), Argument("region", .region), Argument("offset", .offset), Argument("count", .byteCount),
      ], result: .bytes,
      doc: "copies up to `EnvironmentPage.regionCapacity` bytes into the environment page. Needs the right to read.",
      cost: .init(checks: "guard, right, range", bound: "256 bytes"),
      stub: .generated("readRegion", ["_ region", "offset", "count", capability], isDiscardable: true),
      fuzz: .init(.none)),
    CallDescription(
      "regionWrite", 44, .memory,
      [
        .slot(over: .own), Argument("region", .region), Argument("offset", .offset), Argument("count", .byteCount),
      ], result: .bytes, doc: "copies from the environment page. Needs the right to write.",
      cost: .init(checks: "guard, right, range", bound: "256 bytes"),
      stub: .generated("writeRegion", ["_ region", "offset", "count", capability], isDiscardable: true),
      fuzz: .init(.none)),
  ]
}
