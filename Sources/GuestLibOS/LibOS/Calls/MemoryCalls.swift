import CLibOS
import ExokernelABI

// Calls on frames, page tables and regions. What each checks and returns is told at `CallNumber`.
extension KernelCall {
  /// An environment's page table, for calls that take one: the caller's capability for it is in `slot`.
  public static func table(of environment: UInt64, capability slot: UInt64) -> UInt64 { environment | slot &<< 32 }

  /// Allocates a free frame, a named one or any; returns its number.
  public static func allocateFrame(_ frame: UInt64 = CallNumber.any, capability: UInt64 = CapabilitySlot.own)
    throws(CallError)
    -> UInt64
  {
    try untilFound { call(.frameAllocate, capability, frame) }
  }

  /// Gives a frame back.
  public static func freeFrame(_ frame: UInt64, capability: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.frameFree, capability, frame).value()
  }

  /// Maps `count` frames in a row at pages in a row; returns how many it mapped, at least one.
  @discardableResult public static func mapFrame(
    _ frame: UInt64, at address: UInt64, rights: Rights, count: UInt64 = 1, table: UInt64 = Handle.own,
    capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.frameMap, capability, frame, address, UInt64(rights.rawValue) | count &<< 32, table).value()
  }

  /// Removes the mappings of `count` pages in a row; returns how many it removed, at least one.
  @discardableResult public static func unmapFrame(
    at address: UInt64, count: UInt64 = 1, table: UInt64 = Handle.own
  ) throws(CallError) -> UInt64 {
    try call(.frameUnmap, address, count, table).value()
  }

  /// Gives `count` mapped pages in a row other rights, and clears their accessed and dirty bits; returns how many, at least one.
  @discardableResult public static func protectPages(
    at address: UInt64, rights: Rights, count: UInt64 = 1, table: UInt64 = Handle.own,
    capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.frameProtect, capability, address, UInt64(rights.rawValue) | count &<< 32, table).value()
  }

  /// Writes an even number into the page-table entry of a page that is not mapped.
  public static func writeEntry(at address: UInt64, _ value: UInt64, table: UInt64 = Handle.own) throws(CallError) {
    _ = try call(.entryWrite, address, value, table).value()
  }

  /// Makes a frame, a fresh one by default, the page table of `level` for `address`.
  public static func installTable(
    _ frame: UInt64 = CallNumber.any, for address: UInt64, level: UInt64, table: UInt64 = Handle.own,
    capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try untilFound { call(.tableInstall, capability, frame, address, level, table) }
  }

  /// Allocates and maps `count` fresh frames from `address`; returns how many it mapped.
  public static func allocateMapped(
    at address: UInt64, count: UInt64, table: UInt64 = Handle.own, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try untilFound { call(.framesAllocateMapped, capability, address, count, table) }
  }

  /// Gives a frame another guard, and says which rights new mappings may have.
  public static func guardFrame(
    _ frame: UInt64, name: UInt64, length: UInt64, allowed: Rights, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.frameGuard, capability, frame, name, length | UInt64(allowed.rawValue) &<< 32).value()
  }

  /// Makes a frame another environment's; `receiver` as `table(of:capability:)` makes it.
  public static func giveFrame(_ frame: UInt64, to receiver: UInt64, capability: UInt64 = CapabilitySlot.own)
    throws(CallError)
  {
    _ = try call(.frameGive, capability, frame, receiver).value()
  }

  /// Allocates a large frame of 2 MiB; returns the number of its first frame. Throws `again` where the only free ones are being cleared,
  /// which takes 512 ends of slices each, or an idle processor.
  public static func allocateLarge(capability: UInt64 = CapabilitySlot.own) throws(CallError) -> UInt64 {
    try call(.largeAllocate, capability).value()
  }

  /// Gives a large frame back.
  public static func freeLarge(_ frame: UInt64, capability: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.largeFree, capability, frame).value()
  }

  /// Maps a large frame.
  public static func mapLarge(
    _ frame: UInt64, at address: UInt64, rights: Rights, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.largeMap, capability, frame, address, UInt64(rights.rawValue)).value()
  }

  /// Removes the mapping of a large page.
  public static func unmapLarge(at address: UInt64) throws(CallError) { _ = try call(.largeUnmap, address).value() }

  /// Makes a part of a frame a region; returns its handle.
  public static func bindRegion(
    frame: UInt64, offset: UInt64, count: UInt64, name: UInt64, length: UInt64, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.regionBind, capability, frame, offset | count &<< 32, name, length).value()
  }

  /// Removes a region.
  public static func unbindRegion(_ region: UInt64, capability: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.regionUnbind, capability, region).value()
  }

  /// Copies a part of a region into the environment page.
  public static func readRegion(
    _ region: UInt64, offset: UInt64, count: UInt64, capability: UInt64 = CapabilitySlot.own
  )
    throws(CallError)
  {
    _ = try call(.regionRead, capability, region, offset, count).value()
  }

  /// Copies from the environment page into a part of a region.
  public static func writeRegion(
    _ region: UInt64, offset: UInt64, count: UInt64, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.regionWrite, capability, region, offset, count).value()
  }
}
