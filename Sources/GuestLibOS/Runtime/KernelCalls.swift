import CLibOS
import ExokernelABI

/// The kernel's calls as Swift functions. What each checks and returns is told at `CallNumber`.
public enum KernelCall {
  @inline(__always)
  private static func call(
    _ number: CallNumber, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0, _ d: UInt64 = 0, _ e: UInt64 = 0
  ) -> CallResult {
    CallResult(rawValue: libos_call(number.rawValue, a, b, c, d, e))
  }

  /// Does nothing; `mark` is for whoever traces the machine.
  public static func null(mark: UInt64 = 0) { _ = call(.null, mark) }

  /// The same through the gate that preserves every register.
  public static func nullPreservingRegisters(mark: UInt64 = 0) {
    _ = libos_call_preserving(CallNumber.null.rawValue, mark)
  }

  /// Ends this environment.
  public static func exit(status: UInt8) -> Never {
    _ = call(.exit, UInt64(status))
    while true { libos_pause() }
  }

  /// Gives up the rest of the slice.
  public static func yield() { libos_yield() }

  /// Sleeps until the event count differs from `events` or the time-stamp counter reaches `deadline` (0: no deadline).
  public static func sleep(events: UInt64, deadline: UInt64) { libos_sleep(events, deadline) }

  /// Writes the first `count` bytes of the console buffer as a line.
  public static func consoleWrite(count: UInt64) throws(CallError) { _ = try call(.consoleWrite, count).value() }

  /// Names the entries for page faults and for the end of a slice; 0 for none. `start.S` has done so with the library's own.
  public static func bindUpcalls(fault: UInt64, epilogue: UInt64) throws(CallError) {
    _ = try call(.upcallBind, fault, epilogue).value()
  }

  /// Ends this environment because of the page fault it was told of last.
  public static func declineFault() -> Never {
    _ = call(.faultDecline)
    while true { libos_pause() }
  }

  /// Allocates a free frame, a named one or any; returns its number.
  public static func allocateFrame(_ frame: UInt64 = CallNumber.any, capability: UInt64 = CapabilitySlot.own)
    throws(CallError)
    -> UInt64
  {
    try call(.frameAllocate, capability, frame).value()
  }

  /// Gives a frame back.
  public static func freeFrame(_ frame: UInt64, capability: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.frameFree, capability, frame).value()
  }

  /// Maps a frame at a page.
  public static func mapFrame(
    _ frame: UInt64, at address: UInt64, rights: Rights, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.frameMap, capability, frame, address, UInt64(rights.rawValue)).value()
  }

  /// Removes the mapping of a page.
  public static func unmapFrame(at address: UInt64) throws(CallError) { _ = try call(.frameUnmap, address).value() }

  /// Makes a frame the page table of `level` for `address`.
  public static func installTable(
    _ frame: UInt64, for address: UInt64, level: UInt64, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.tableInstall, capability, frame, address, level).value()
  }

  /// Allocates and maps `count` fresh frames from `address`; returns how many it mapped.
  public static func allocateMapped(
    at address: UInt64, count: UInt64, capability: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.framesAllocateMapped, capability, address, count).value()
  }

  /// Binds a range of a disk; returns the extent's number.
  public static func bindExtent(disk: UInt64, first: UInt64, count: UInt64, rights: Rights) throws(CallError) -> UInt64
  {
    try call(.extentBind, CapabilitySlot.disks, disk, first, count, UInt64(rights.rawValue)).value()
  }

  /// Starts a transfer between `count` blocks and one frame.
  public static func submitBlocks(
    extent: UInt64, first: UInt64, count: UInt64, frame: UInt64, isWrite: Bool, tag: UInt64
  ) throws(CallError) {
    _ = try call(.blockSubmit, extent, first, frame, count | (isWrite ? 1 &<< 32 : 0), tag).value()
  }

  /// Binds a packet filter, `count` words in `code`'s frame, to the ring in `ring`'s frame; returns the filter's number.
  public static func bindFilter(code: UInt64, count: UInt64, ring: UInt64, slots: UInt64) throws(CallError) -> UInt64 {
    try call(.filterBind, CapabilitySlot.networks, code, count, ring, slots).value()
  }

  /// Removes a filter.
  public static func unbindFilter(_ filter: UInt64) throws(CallError) { _ = try call(.filterUnbind, filter).value() }

  /// Sends what the send block describes.
  public static func sendPacket(interface: UInt64) throws(CallError) {
    _ = try call(.packetSend, CapabilitySlot.networks, interface).value()
  }

  /// Takes a position of the slice vector, a named one or any; returns it.
  public static func allocateSlice(_ position: UInt64 = CallNumber.any) throws(CallError) -> UInt64 {
    try call(.sliceAllocate, CapabilitySlot.own, position).value()
  }

  /// Gives a position of the slice vector back.
  public static func freeSlice(_ position: UInt64) throws(CallError) { _ = try call(.sliceFree, position).value() }
}
