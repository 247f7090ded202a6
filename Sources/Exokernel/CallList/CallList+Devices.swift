extension CallList {
  /// Calls on devices: the console, disks and network interfaces.
  static let devices: [CallDescription] = [
    CallDescription(
      "consoleWrite", 45, .devices, [Argument("count", .byteCount)], result: .dropped,
      doc: """
        writes `count` bytes of the environment page's console buffer as one line. Where the line is more than the \
        environment's budget, it is dropped, and the next one that fits tells how many bytes are missing.
        """,
      cost: .init(checks: "length; 8,192 bytes in the time of a slice", bound: "224 bytes"),
      stub: .generated("consoleWrite", ["count"], isDiscardable: true),
      fuzz: .init(rarity: 16, .none)),
    CallDescription(
      "consoleDraw", 46, .devices, [.slot(over: .console), Argument("count", .byteCount)], result: .nothing,
      doc: """
        writes them as they are, with no name before and no end of line. Needs the right to write over the console. \
        `noSuchResource` where the console is no terminal; `again` where they are more than the environment's budget, \
        which is renewed after the length of a slice.
        """,
      cost: .init(checks: "the console's guard, length, budget, a terminal", bound: "224 bytes"),
      stub: .generated("consoleDraw", ["count", "capability slot"]), fuzz: .init(rarity: 16, .none)),
    CallDescription(
      "extentBind", 47, .devices,
      [
        .slot(over: .disk), Argument("disk", .disk), Argument("first", .block), Argument("count", .count),
        Argument("rights", .rights),
      ], result: .extent,
      doc: """
        binds a range of a disk; returns the extent's handle. Guarded by the environment's own guard. Needs the rights \
        that the extent gets.
        """,
      cost: .init(
        checks: "disk's guard, range, read-only, quota",
        bound: "64 extents; 64 environments, four times, where shares change"),
      stub: .generated("bindExtent", ["disk", "first", "count", "rights", "capability slot = CapabilitySlot.disks"]),
      fuzz: .init(.none)),
    CallDescription(
      "extentUnbind", 48, .devices, [.slot(over: .own), Argument("extent", .extent)], result: .nothing,
      doc: "lets go of it, once nothing of it is in flight. Needs the right to allocate.",
      cost: .init(checks: "guard, right, nothing in flight"),
      stub: .generated("unbindExtent", ["_ extent", "capability slot = CapabilitySlot.own"]), fuzz: .init(.none)),
    CallDescription(
      "blockSubmit", 49, .devices,
      [
        Argument(low: ("slot", .slot(over: .own)), high: ("extent", .extent)), Argument("block", .block),
        Argument("frame", .frame), Argument(low: ("count", .blockCount), high: ("isWrite", .isWrite)),
        Argument("tag", .tag),
      ], result: .nothing,
      doc: "starts the transfer of up to 8 blocks to or from one frame. Needs the right to read or to write.",
      cost: .init(
        checks: "guard, range, right, frame's owner, room in one's share",
        budget: "with the completion 350, found 341"),
      stub: .generated(
        "submitBlocks",
        ["extent", "first block", "count", "frame", "isWrite", "tag", "capability slot = CapabilitySlot.own"]),
      fuzz: .init(.frame("frame"))),
    CallDescription(
      "diskFlush", 55, .devices,
      [.slot(over: .own), Argument("extent", .extent), Argument("tag", .tag)], result: .nothing,
      doc: """
        has the extent's disk make durable what was written. Once that is done, every write of the disk whose success \
        was told before this call outlives a loss of power, as far as the disk's own promises go. Needs the right to \
        write, of the extent, too.
        """,
      cost: .init(checks: "guard, right, room in one's share"),
      stub: .generated("flushDisk", ["extent", "tag", "capability slot = CapabilitySlot.own"]), fuzz: .init(.none)),
    CallDescription(
      "filterBind", 50, .devices,
      [
        .slot(over: .network), Argument("code", .codeFrame), Argument("count", .programLength),
        Argument("ring", .ringFrame), Argument("slots", .ringSlots),
      ], result: .filter,
      doc: """
        binds a packet filter, `count` instructions in the frame `code`, to a ring of this environment's frames; \
        returns its handle. Needs the rights to read and to allocate over the network interface.
        """,
      cost: .init(
        checks: "network's guard, frames' owner, verifier, quota", bound: "64 instructions, 32 frames"),
      stub: .generated("bindFilter", ["code", "count", "ring", "slots", "capability slot = CapabilitySlot.networks"]),
      fuzz: .init(.none)),
    CallDescription(
      "filterUnbind", 51, .devices, [.slot(over: .own), Argument("filter", .filter)], result: .nothing,
      doc: "removes a filter. Needs the right to allocate.",
      cost: .init(checks: "guard, right", bound: "16 filters, 32 frames"),
      stub: .generated("unbindFilter", ["_ filter", "capability slot = CapabilitySlot.own"]), fuzz: .init(.none)),
    CallDescription(
      "packetSend", 52, .devices, [.slot(over: .network), Argument("interface", .interface)], result: .nothing,
      doc: """
        sends the packet that the environment page's send block describes; one of no pieces only takes back what was \
        sent. Needs the right to write.
        """,
      cost: .init(
        checks: "interface's guard, room in one's share, each piece's owner and range",
        bound: "18 pieces, 4 reclaims", budget: "with one reclaim 350, found 333"),
      stub: .generated("sendPacket", ["interface", "capability slot = CapabilitySlot.networks"]), fuzz: .init(.none)),
  ]
}
