import CLibOS
import ExokernelABI

// Environments with a page table of their own. Read-only pages are the same frames in all copies: the boot archive's,
// in which they lie, cannot be mapped by a program, so each is copied once. Writable pages are copied for each.
extension ChildEnvironment {
  /// Makes a copy of this program, with a page table of its own, that begins at `body`. `spare` is what it may own
  /// besides the frames that its memory takes. The capability for it comes into `slot`, an empty one by default.
  public static func copy(
    spare: Quotas = Quotas(frames: 8, slices: 1), slot: UInt64? = nil, argument: UInt64 = 0, _ body: Body
  ) throws(CallError) -> ChildEnvironment {
    guard let slot = slot ?? Books.emptySlot else { throw .noSuchCapability }
    guard PageSpace.installTables(for: PageSpace.window) else { throw .exhausted }
    _ = try TextFrames.place(of: AddressMap.programBase)
    var block = CreationBlock()
    block.quotas = spare
    // The root table, the environment page, the stack, and the tables of the lowest 512 GiB: the first level's one by
    // one.
    let tables = 2 &+ ProgramCopy.regions
    block.quotas[.frames] = spare[.frames] &+ 3 &+ UInt32(truncatingIfNeeded: tables &+ ProgramCopy.copiedPages)
    let handle = try KernelCall.createEnvironment(block, into: slot)
    let copy = ProgramCopy(handle: handle, slot: slot)
    let stack = AddressMap.environmentPage &- 16
    do throws(CallError) {
      try copy.copyPages()
      // Safe: what is written is the address of a function, which the copy has where we have it.
      try copy.page(at: AddressMap.environmentPage &- AddressMap.pageSize) { window in
        libos_store64(UInt(window) &+ 4080, unsafe UInt64(unsafeBitCast(body, to: UInt.self)))
        libos_store64(UInt(window) &+ 4088, argument)
      }
    } catch {
      try KernelCall.destroyEnvironment(handle, capability: slot)
      try KernelCall.dropCapability(slot)
      throw error
    }
    return ChildEnvironment(
      handle: handle, slot: slot, pageAddress: AddressMap.environmentPage, entry: UInt64(libos_child_entry_address()),
      stack: stack)
  }
}

/// A page table of another environment's that gets this program's pages.
private struct ProgramCopy {
  let handle: UInt64
  let slot: UInt64

  private var table: UInt64 { KernelCall.table(of: handle, capability: slot) }

  /// The ranges that are copied: the program, and what it has mapped since.
  private static var ranges: InlineArray<3, Range<UInt64>> {
    let dynamic = PageSpace.dynamicRanges
    return [AddressMap.programBase..<PageFaults.stackFloor, dynamic[0], dynamic[1]]
  }

  /// True for pages that all copies share.
  private static func isText(_ page: UInt64, _ entry: UInt64) -> Bool { entry & 2 == 0 && page < PageFaults.stackFloor }

  /// Pages that each copy has for itself.
  static var copiedPages: UInt64 {
    var count: UInt64 = 0
    for index in 0..<3 { forEachPage(of: ranges[index]) { page, entry in count &+= isText(page, entry) ? 0 : 1 } }
    return count
  }

  /// Regions of 2 MiB that the copied ranges touch, each of which takes a table; stack and environment page lie in the
  /// program's.
  static var regions: UInt64 {
    var count: UInt64 = 0
    for index in 0..<3 where !ranges[index].isEmpty {
      count &+= (ranges[index].upperBound &- 1) &>> 21 &- ranges[index].lowerBound &>> 21 &+ 1
    }
    return count &+ 1
  }

  /// Calls `body` with every mapped page of a range and its entry.
  private static func forEachPage(of range: Range<UInt64>, _ body: (UInt64, UInt64) -> Void) {
    var page = range.lowerBound
    while page < range.upperBound {
      if let entry = Books.entry(of: page) {
        if entry & 1 != 0 { body(page, entry) }
        page &+= AddressMap.pageSize
      } else {
        page = (page &>> 21 &+ 1) &<< 21
      }
    }
  }

  /// Maps this program's pages into the table.
  func copyPages() throws(CallError) {
    var failure: CallError?
    for index in 0..<3 {
      Self.forEachPage(of: Self.ranges[index]) { page, entry in
        guard failure == nil else { return }
        do throws(CallError) {
          if Self.isText(page, entry) {
            try share(page)
          } else {
            try self.page(at: page) { window in copyWords(from: page, to: window) }
          }
        } catch { failure = error }
      }
    }
    if let failure { throw failure }
  }

  /// A fresh page of the other environment's at `address`, whose frame `fill` sees at the window that it is told.
  func page(at address: UInt64, _ fill: (UInt64) -> Void) throws(CallError) {
    let frame = try filledFrame(fill)
    try keep(frame) { () throws(CallError) in
      try map(frame, at: address, rights: .read | .write)
      do throws(CallError) { try KernelCall.giveFrame(frame, to: table) } catch {
        try KernelCall.unmapFrame(at: address, table: table)
        throw error
      }
    }
  }

  /// Gives the frame back where `body` fails.
  private func keep(_ frame: UInt64, _ body: () throws(CallError) -> Void) throws(CallError) {
    do throws(CallError) { try body() } catch {
      try KernelCall.freeFrame(frame)
      throw error
    }
  }

  /// Maps a copy of a read-only page, which is made once. It stays this program's frame, and nobody can map it for
  /// writing any more.
  private func share(_ page: UInt64) throws(CallError) {
    let place = try TextFrames.place(of: page)
    // In a copy, the numbers are those of its maker's frames.
    let known = UInt64(libos_load32(place))
    if known == 0 || Books.frame(known).map({ UInt64($0.owner) }) != Environment.number {
      let frame = try filledFrame { window in copyWords(from: page, to: window) }
      try keep(frame) { () throws(CallError) in
        guard let name = Books.frame(frame)?.guardName else { return }
        try KernelCall.guardFrame(
          frame, name: name, length: Capability.length(ofGuard: name), allowed: .read | .execute)
      }
      libos_store32(place, UInt32(truncatingIfNeeded: frame))
    }
    try map(UInt64(libos_load32(place)), at: page, rights: .read | .execute)
  }

  private func filledFrame(_ fill: (UInt64) -> Void) throws(CallError) -> UInt64 {
    let frame = try KernelCall.allocateFrame()
    try keep(frame) { () throws(CallError) in
      try KernelCall.mapFrame(frame, at: PageSpace.window, rights: .read | .write)
      fill(PageSpace.window)
      try KernelCall.unmapFrame(at: PageSpace.window)
    }
    return frame
  }

  private func map(_ frame: UInt64, at address: UInt64, rights: Rights) throws(CallError) {
    do throws(CallError) {
      try KernelCall.mapFrame(frame, at: address, rights: rights, table: table)
    } catch {
      guard error == .noPageTable, PageSpace.installTables(for: address, table: table) else { throw error }
      try KernelCall.mapFrame(frame, at: address, rights: rights, table: table)
    }
  }

  private func copyWords(from source: UInt64, to target: UInt64) {
    for offset in stride(from: 0 as UInt64, to: AddressMap.pageSize, by: 8) {
      libos_store64(UInt(target &+ offset), libos_load64(UInt(source &+ offset)))
    }
  }
}

/// The frames with this program's read-only pages.
private enum TextFrames {
  nonisolated(unsafe) private static var table: UInt64 = 0

  /// Where the frame number of a page of the program is kept; 0 there where it has no frame yet.
  static func place(of page: UInt64) throws(CallError) -> UInt {
    // Safe: one thread of the processor; a page of the table has room for all pages of a program.
    if unsafe table == 0 {
      guard let page = PageSpace.mapAnywhere(count: 1) else { throw .exhausted }
      unsafe table = page
    }
    return unsafe UInt(table &+ (page &- AddressMap.programBase) &>> 12 &* 4)
  }
}
