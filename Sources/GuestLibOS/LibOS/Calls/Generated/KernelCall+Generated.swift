// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

import CLibOS
import ExokernelABI

// The kernel's calls as Swift functions; KernelCall.swift has those that need more than a call. Each throws the
// kernel's refusal.
extension KernelCall {
  /// Takes over up to `Comparison.maximum` `Comparison`s from a frame as this environment's wakeup predicate; 0
  /// unbinds. Each names the capability for its own word. All need the right to read.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - offset: bytes from the beginning
  ///   - count: how many
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.predicateBind` is refused.
  public static func bindPredicate(
    frame: UInt64, offset: UInt64, count: UInt64, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.predicateBind, slot, frame, offset, count).value()
  }

  /// Counts an event of a sleeper and lets its processor look at once. Needs the right to call.
  ///
  /// - Parameters:
  ///   - environment: an environment's handle
  ///   - slot: the slot of a capability over the environment
  /// - Throws: why `CallNumber.wake` is refused.
  public static func wake(_ environment: UInt64, capability slot: UInt64) throws(CallError) {
    _ = try call(.wake, slot, environment).value()
  }

  /// Names the entries for page faults, for the end and the beginning of a slice, and for requests to give resources
  /// back; 0 for none.
  ///
  /// - Parameters:
  ///   - fault: an address below `AddressMap.userEnd`, or 0 for none
  ///   - epilogue: an address below `AddressMap.userEnd`, or 0 for none
  ///   - prologue: an address below `AddressMap.userEnd`, or 0 for none
  ///   - revocation: an address below `AddressMap.userEnd`, or 0 for none
  /// - Throws: why `CallNumber.upcallBind` is refused.
  public static func bindUpcalls(
    fault: UInt64, epilogue: UInt64, prologue: UInt64 = 0, revocation: UInt64 = 0
  ) throws(CallError) {
    _ = try call(.upcallBind, fault, epilogue, prologue, revocation).value()
  }

  /// Says where protected control transfers arrive (entry 0: nowhere), and from whom: from environments whose guards
  /// have the first `length` bytes of `name`.
  ///
  /// - Parameters:
  ///   - entry: an address below `AddressMap.userEnd`, or 0 for none
  ///   - stack: a stack pointer
  ///   - name: a capability's or a guard's name, first byte most significant
  ///   - length: bytes of the name, 0...8
  /// - Throws: why `CallNumber.transferBind` is refused.
  public static func bindTransfer(entry: UInt64, stack: UInt64, name: UInt64, length: UInt64) throws(CallError) {
    _ = try call(.transferBind, entry, stack, name, length).value()
  }

  /// Takes a free position of a slice vector, processor << 8 | position, or any (`CallNumber.any`); returns it. Needs
  /// the right to allocate.
  ///
  /// - Parameters:
  ///   - position: processor << 8 | position of its slice vector
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.sliceAllocate` is refused.
  public static func allocateSlice(
    _ position: UInt64 = CallNumber.any, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.sliceAllocate, slot, position).value()
  }

  /// Gives a position back. Needs the right to allocate. An owner that owes the position's processor a slice or more
  /// pays first: `again`.
  ///
  /// - Parameters:
  ///   - position: processor << 8 | position of its slice vector
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.sliceFree` is refused.
  public static func freeSlice(_ position: UInt64, capability slot: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.sliceFree, slot, position).value()
  }

  /// Gives a position to another environment; needs the right to allocate over the position, and to control the
  /// receiver. An owner that owes the position's processor a slice or more pays first: `again`.
  ///
  /// - Parameters:
  ///   - position: processor << 8 | position of its slice vector
  ///   - environment: whose page table: `Handle.own`, or a `TableArgument`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.sliceGive` is refused.
  public static func giveSlice(
    _ position: UInt64, to environment: UInt64, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.sliceGive, slot, position, environment).value()
  }

  /// Puts a weaker capability into an empty slot.
  ///
  /// - Parameters:
  ///   - slot: the slot of the capability that is presented
  ///   - into: a slot that is empty, below `CapabilitySlot.count`
  ///   - name: a capability's or a guard's name, first byte most significant
  ///   - length: bytes of the name, 0...8
  ///   - rights: a set of `Rights`
  /// - Throws: why `CallNumber.capabilityDerive` is refused.
  public static func deriveCapability(
    from slot: UInt64, into: UInt64, name: UInt64, length: UInt64, rights: Rights
  ) throws(CallError) {
    let registers = CapabilityDeriveArguments(
      slot: slot, into: into, name: name, length: length, rights: UInt64(rights.rawValue)
    )
    _ = try call(.capabilityDerive, registers.rdi, registers.rsi, registers.rdx, registers.rcx).value()
  }

  /// Lets that environment fill this empty slot, once; `Handle.none` forbids it again.
  ///
  /// - Parameters:
  ///   - slot: a slot that is empty, below `CapabilitySlot.count`
  ///   - environment: an environment's handle
  /// - Throws: why `CallNumber.capabilityAccept` is refused.
  public static func acceptCapability(slot: UInt64, from environment: UInt64) throws(CallError) {
    _ = try call(.capabilityAccept, slot, environment).value()
  }

  /// Puts the capability, with those of its rights, into a slot that accepts it from this environment. Needs the right
  /// to grant.
  ///
  /// - Parameters:
  ///   - slot: the slot of a capability over the environment
  ///   - environment: an environment's handle
  ///   - into: a slot that is empty, below `CapabilitySlot.count`
  ///   - rights: a set of `Rights`
  /// - Throws: why `CallNumber.capabilityGrant` is refused.
  public static func grantCapability(
    _ slot: UInt64, to environment: UInt64, into: UInt64, rights: Rights
  ) throws(CallError) {
    _ = try call(.capabilityGrant, slot, environment, into, UInt64(rights.rawValue)).value()
  }

  /// Empties a slot.
  ///
  /// - Parameters:
  ///   - slot: a slot that is empty, below `CapabilitySlot.count`
  /// - Throws: why `CallNumber.capabilityDrop` is refused.
  public static func dropCapability(_ slot: UInt64) throws(CallError) {
    _ = try call(.capabilityDrop, slot).value()
  }

  /// Empties every other slot of every environment that holds a capability whose name starts with this one; returns how
  /// many. Needs the right to revoke. What was bound with them stays bound.
  ///
  /// - Parameters:
  ///   - slot: the slot of a capability over the environment
  ///   - name: a capability's or a guard's name, first byte most significant
  ///   - length: bytes of the name, 0...8
  /// - Throws: why `CallNumber.capabilityDestroy` is refused.
  public static func destroyCapabilities(slot: UInt64, name: UInt64, length: UInt64) throws(CallError) -> UInt64 {
    try call(.capabilityDestroy, slot, name, length).value()
  }

  /// Lets it run, on a position of a slice vector as for `sliceAllocate`. Needs the right to control.
  ///
  /// - Parameters:
  ///   - environment: an environment's handle
  ///   - slot: the slot of a capability over the environment
  ///   - entry: an address below `AddressMap.userEnd`, or 0 for none
  ///   - stack: a stack pointer
  ///   - position: processor << 8 | position of its slice vector
  /// - Throws: why `CallNumber.environmentStart` is refused.
  public static func startEnvironment(
    _ environment: UInt64, capability slot: UInt64, entry: UInt64, stack: UInt64, position: UInt64 = CallNumber.any
  ) throws(CallError) {
    _ = try call(.environmentStart, slot, environment, entry, stack, position).value()
  }

  /// Ends it. Needs the right to control.
  ///
  /// - Parameters:
  ///   - environment: an environment's handle
  ///   - slot: the slot of a capability over the environment
  /// - Throws: why `CallNumber.environmentDestroy` is refused.
  public static func destroyEnvironment(_ environment: UInt64, capability slot: UInt64) throws(CallError) {
    _ = try call(.environmentDestroy, slot, environment).value()
  }

  /// Gives it another guard, which the capability dominates, too. Needs the right to control.
  ///
  /// - Parameters:
  ///   - environment: an environment's handle
  ///   - slot: the slot of a capability over the environment
  ///   - name: a capability's or a guard's name, first byte most significant
  ///   - length: bytes of the name, 0...8
  /// - Throws: why `CallNumber.environmentGuard` is refused.
  public static func guardEnvironment(
    _ environment: UInt64, capability slot: UInt64, name: UInt64, length: UInt64
  ) throws(CallError) {
    _ = try call(.environmentGuard, slot, environment, name, length).value()
  }

  /// Moves a part of this environment's quota to that of one that it made; a negative amount takes back what it does
  /// not use. Needs the right to control.
  ///
  /// - Parameters:
  ///   - kind: a `ResourceKind`
  ///   - environment: an environment's handle
  ///   - slot: the slot of a capability over the environment
  ///   - amount: how many; negative to take back
  /// - Throws: why `CallNumber.quotaMove` is refused.
  public static func moveQuota(
    of kind: ResourceKind, to environment: UInt64, capability slot: UInt64, amount: Int64
  ) throws(CallError) {
    _ = try call(.quotaMove, slot, environment, kind.rawValue, UInt64(bitPattern: amount)).value()
  }

  /// Asks an environment to give `count` resources of a kind back, of frames, positions or filters; at the time-stamp
  /// `deadline` the kernel takes what is missing. Needs the right to revoke.
  ///
  /// - Parameters:
  ///   - count: how many
  ///   - kind: a `ResourceKind`
  ///   - environment: an environment's handle
  ///   - slot: the slot of a capability over the environment
  ///   - deadline: a time-stamp
  /// - Throws: why `CallNumber.revoke` is refused.
  public static func revoke(
    _ count: UInt64, of kind: ResourceKind, from environment: UInt64, capability slot: UInt64, deadline: UInt64
  ) throws(CallError) {
    let registers = RevokeArguments(
      slot: slot, environment: environment, kind: kind.rawValue, count: count, deadline: deadline
    )
    _ = try call(.revoke, registers.rdi, registers.rsi, registers.rdx, registers.rcx).value()
  }

  /// Makes a free frame, a named one or any (`CallNumber.any`), this environment's, guarded by the capability
  /// presented; returns its number. Needs the right to allocate. Calls again, in later slices, where the kernel says
  /// `again`.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.frameAllocate` is refused.
  public static func allocateFrame(
    _ frame: UInt64 = CallNumber.any, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try untilFound { call(.frameAllocate, slot, frame) }
  }

  /// Gives back a frame that is not mapped and not in a device's hands. Needs the right to allocate.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.frameFree` is refused.
  public static func freeFrame(_ frame: UInt64, capability slot: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.frameFree, slot, frame).value()
  }

  /// Maps a run of `count` frames (0 counts as 1; at most 64) at pages of one table that have no mapping. Stops at the
  /// first that is not like the first one; returns how many, at least 1.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - address: a virtual address on a boundary of 4 KiB
  ///   - rights: a set of `Rights`
  ///   - count: how many pages, 0 as 1, at most 64
  ///   - table: whose page table: `Handle.own`, or a `TableArgument`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.frameMap` is refused.
  @discardableResult
  public static func mapFrame(
    _ frame: UInt64, at address: UInt64, rights: Rights, count: UInt64 = 1, table: UInt64 = Handle.own,
    capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    let registers = FrameMapArguments(
      slot: slot, frame: frame, address: address, rights: UInt64(rights.rawValue), count: count, table: table
    )
    return try call(.frameMap, registers.rdi, registers.rsi, registers.rdx, registers.rcx, registers.r8).value()
  }

  /// Removes the mappings of up to 64 pages of one table; stops at the first that has none; returns how many, at least
  /// 1.
  ///
  /// - Parameters:
  ///   - address: a virtual address on a boundary of 4 KiB
  ///   - count: how many pages, 0 as 1, at most 64
  ///   - table: whose page table: `Handle.own`, or a `TableArgument`
  /// - Throws: why `CallNumber.frameUnmap` is refused.
  @discardableResult
  public static func unmapFrame(
    at address: UInt64, count: UInt64 = 1, table: UInt64 = Handle.own
  ) throws(CallError) -> UInt64 {
    try call(.frameUnmap, address, count, table).value()
  }

  /// Gives mapped pages other rights and clears their accessed and dirty bits; stops as `frameMap` does; returns how
  /// many, at least 1.
  ///
  /// - Parameters:
  ///   - address: a virtual address on a boundary of 4 KiB
  ///   - rights: a set of `Rights`
  ///   - count: how many pages, 0 as 1, at most 64
  ///   - table: whose page table: `Handle.own`, or a `TableArgument`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.frameProtect` is refused.
  @discardableResult
  public static func protectPages(
    at address: UInt64, rights: Rights, count: UInt64 = 1, table: UInt64 = Handle.own,
    capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    let registers = FrameProtectArguments(
      slot: slot, address: address, rights: UInt64(rights.rawValue), count: count, table: table
    )
    return try call(.frameProtect, registers.rdi, registers.rsi, registers.rdx, registers.rcx).value()
  }

  /// Writes an entry that maps nothing: 63 bits of the libOS's own, the lowest one zero.
  ///
  /// - Parameters:
  ///   - address: a virtual address on a boundary of 4 KiB
  ///   - value: an even number
  ///   - table: whose page table: `Handle.own`, or a `TableArgument`
  /// - Throws: why `CallNumber.entryWrite` is refused.
  public static func writeEntry(at address: UInt64, _ value: UInt64, table: UInt64 = Handle.own) throws(CallError) {
    _ = try call(.entryWrite, address, value, table).value()
  }

  /// Gives a frame, a named one or a fresh one (`CallNumber.any`), to be the page table of `level` (1...3) for an
  /// address; where the table is another environment's, the frame becomes that one's. Needs the rights to write and to
  /// allocate. Calls again, in later slices, where the kernel says `again`.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - address: a virtual address on a boundary of 4 KiB
  ///   - level: 1 for the table of pages, 3 for the one below the root
  ///   - table: whose page table: `Handle.own`, or a `TableArgument`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.tableInstall` is refused.
  public static func installTable(
    _ frame: UInt64 = CallNumber.any, for address: UInt64, level: UInt64, table: UInt64 = Handle.own,
    capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try untilFound { call(.tableInstall, slot, frame, address, level, table) }
  }

  /// Maps up to 64 fresh frames read-write at consecutive pages under one table; they belong to the environment whose
  /// table it is. Returns how many, at least 1. `busy` where a page has a mapping. Needs the rights to read, to write
  /// and to allocate. Calls again, in later slices, where the kernel says `again`.
  ///
  /// - Parameters:
  ///   - address: a virtual address on a boundary of 4 KiB
  ///   - count: how many pages, 0 as 1, at most 64
  ///   - table: whose page table: `Handle.own`, or a `TableArgument`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.framesAllocateMapped` is refused.
  public static func allocateMapped(
    at address: UInt64, count: UInt64, table: UInt64 = Handle.own, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try untilFound { call(.framesAllocateMapped, slot, address, count, table) }
  }

  /// Gives a frame another guard, which the capability dominates, too, and says which rights new mappings may have.
  /// Needs the right to allocate.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - name: a capability's or a guard's name, first byte most significant
  ///   - length: bytes of the name, 0...8
  ///   - allowed: a set of `Rights`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.frameGuard` is refused.
  public static func guardFrame(
    _ frame: UInt64, name: UInt64, length: UInt64, allowed: Rights, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    let registers = FrameGuardArguments(
      slot: slot, frame: frame, name: name, length: length, allowed: UInt64(allowed.rawValue)
    )
    _ = try call(.frameGuard, registers.rdi, registers.rsi, registers.rdx, registers.rcx).value()
  }

  /// Makes a frame another environment's, if its quota has room. Needs the right to allocate over the frame and to
  /// control over the environment.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - environment: whose page table: `Handle.own`, or a `TableArgument`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.frameGive` is refused.
  public static func giveFrame(
    _ frame: UInt64, to environment: UInt64, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.frameGive, slot, frame, environment).value()
  }

  /// Takes 512 frames in a row, on a boundary of 2 MiB; returns the first, which stands for all. `again` where the only
  /// free ones are being cleared, which takes 512 ends of slices each, or an idle processor. Needs the right to
  /// allocate.
  ///
  /// - Parameters:
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.largeAllocate` is refused.
  public static func allocateLarge(capability slot: UInt64 = CapabilitySlot.own) throws(CallError) -> UInt64 {
    try call(.largeAllocate, slot).value()
  }

  /// Gives them back. Needs the right to allocate.
  ///
  /// - Parameters:
  ///   - frame: the number of a large frame's first one
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.largeFree` is refused.
  public static func freeLarge(_ frame: UInt64, capability slot: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.largeFree, slot, frame).value()
  }

  /// Maps them at an address from `AddressMap.largePages` on.
  ///
  /// - Parameters:
  ///   - frame: the number of a large frame's first one
  ///   - address: a virtual address on a boundary of 2 MiB, from `AddressMap.largePages` on
  ///   - rights: a set of `Rights`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.largeMap` is refused.
  public static func mapLarge(
    _ frame: UInt64, at address: UInt64, rights: Rights, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.largeMap, slot, frame, address, UInt64(rights.rawValue)).value()
  }

  /// Removes that mapping.
  ///
  /// - Parameters:
  ///   - address: a virtual address on a boundary of 2 MiB, from `AddressMap.largePages` on
  /// - Throws: why `CallNumber.largeUnmap` is refused.
  public static func unmapLarge(at address: UInt64) throws(CallError) {
    _ = try call(.largeUnmap, address).value()
  }

  /// Makes up to 4,096 bytes of a frame a region with a guard of its own, which the capability dominates, too; returns
  /// its handle. Pins the frame. Needs the rights to read, to write and to allocate.
  ///
  /// - Parameters:
  ///   - frame: a frame's number
  ///   - offset: bytes from the beginning
  ///   - count: how many bytes
  ///   - name: a capability's or a guard's name, first byte most significant
  ///   - length: bytes of the name, 0...8
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.regionBind` is refused.
  public static func bindRegion(
    frame: UInt64, offset: UInt64, count: UInt64, name: UInt64, length: UInt64,
    capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    let registers = RegionBindArguments(
      slot: slot, frame: frame, offset: offset, count: count, name: name, length: length
    )
    return try call(.regionBind, registers.rdi, registers.rsi, registers.rdx, registers.rcx, registers.r8).value()
  }

  /// Removes a region. Needs the right to allocate.
  ///
  /// - Parameters:
  ///   - region: a region's handle
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.regionUnbind` is refused.
  public static func unbindRegion(_ region: UInt64, capability slot: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.regionUnbind, slot, region).value()
  }

  /// Copies up to `EnvironmentPage.regionCapacity` bytes into the environment page. Needs the right to read.
  ///
  /// - Parameters:
  ///   - region: a region's handle
  ///   - offset: bytes from the beginning
  ///   - count: how many bytes
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.regionRead` is refused.
  @discardableResult
  public static func readRegion(
    _ region: UInt64, offset: UInt64, count: UInt64, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.regionRead, slot, region, offset, count).value()
  }

  /// Copies from the environment page. Needs the right to write.
  ///
  /// - Parameters:
  ///   - region: a region's handle
  ///   - offset: bytes from the beginning
  ///   - count: how many bytes
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.regionWrite` is refused.
  @discardableResult
  public static func writeRegion(
    _ region: UInt64, offset: UInt64, count: UInt64, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) -> UInt64 {
    try call(.regionWrite, slot, region, offset, count).value()
  }

  /// Writes `count` bytes of the environment page's console buffer as one line. Where the line is more than the
  /// environment's budget, it is dropped, and the next one that fits tells how many bytes are missing.
  ///
  /// - Parameters:
  ///   - count: how many bytes
  /// - Throws: why `CallNumber.consoleWrite` is refused.
  @discardableResult
  public static func consoleWrite(count: UInt64) throws(CallError) -> UInt64 {
    try call(.consoleWrite, count).value()
  }

  /// Writes them as they are, with no name before and no end of line. Needs the right to write over the console.
  /// `noSuchResource` where the console is no terminal; `again` where they are more than the environment's budget,
  /// which is renewed after the length of a slice.
  ///
  /// - Parameters:
  ///   - count: how many bytes
  ///   - slot: the slot of a capability over the console
  /// - Throws: why `CallNumber.consoleDraw` is refused.
  public static func consoleDraw(count: UInt64, capability slot: UInt64) throws(CallError) {
    _ = try call(.consoleDraw, slot, count).value()
  }

  /// Binds a range of a disk; returns the extent's handle. Guarded by the environment's own guard. Needs the rights
  /// that the extent gets.
  ///
  /// - Parameters:
  ///   - disk: a disk's number
  ///   - first: a block's number, of 512 bytes
  ///   - count: how many
  ///   - rights: a set of `Rights`
  ///   - slot: the slot of a capability over the disk
  /// - Throws: why `CallNumber.extentBind` is refused.
  public static func bindExtent(
    disk: UInt64, first: UInt64, count: UInt64, rights: Rights, capability slot: UInt64 = CapabilitySlot.disks
  ) throws(CallError) -> UInt64 {
    try call(.extentBind, slot, disk, first, count, UInt64(rights.rawValue)).value()
  }

  /// Lets go of it, once nothing of it is in flight. Needs the right to allocate.
  ///
  /// - Parameters:
  ///   - extent: an extent's handle
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.extentUnbind` is refused.
  public static func unbindExtent(_ extent: UInt64, capability slot: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.extentUnbind, slot, extent).value()
  }

  /// Starts the transfer of up to 8 blocks to or from one frame. Needs the right to read or to write.
  ///
  /// - Parameters:
  ///   - extent: an extent's handle
  ///   - block: a block's number, of 512 bytes
  ///   - count: how many blocks, 1...8
  ///   - frame: a frame's number
  ///   - isWrite: 0 to read, anything else to write
  ///   - tag: where the environment page tells the result, below `EnvironmentPage.blockTags`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.blockSubmit` is refused.
  public static func submitBlocks(
    extent: UInt64, first block: UInt64, count: UInt64, frame: UInt64, isWrite: Bool, tag: UInt64,
    capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    let registers = BlockSubmitArguments(
      slot: slot, extent: extent, block: block, frame: frame, count: count, isWrite: isWrite ? 1 : 0, tag: tag
    )
    _ = try call(.blockSubmit, registers.rdi, registers.rsi, registers.rdx, registers.rcx, registers.r8).value()
  }

  /// Binds a packet filter, `count` instructions in the frame `code`, to a ring of this environment's frames; returns
  /// its handle. Needs the rights to read and to allocate over the network interface.
  ///
  /// - Parameters:
  ///   - code: the frame with the filter's instructions
  ///   - count: how many instructions
  ///   - ring: the frame that a ring begins with
  ///   - slots: slots of the ring, a power of two
  ///   - slot: the slot of a capability over the network interface
  /// - Throws: why `CallNumber.filterBind` is refused.
  public static func bindFilter(
    code: UInt64, count: UInt64, ring: UInt64, slots: UInt64, capability slot: UInt64 = CapabilitySlot.networks
  ) throws(CallError) -> UInt64 {
    try call(.filterBind, slot, code, count, ring, slots).value()
  }

  /// Removes a filter. Needs the right to allocate.
  ///
  /// - Parameters:
  ///   - filter: a filter's handle
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.filterUnbind` is refused.
  public static func unbindFilter(_ filter: UInt64, capability slot: UInt64 = CapabilitySlot.own) throws(CallError) {
    _ = try call(.filterUnbind, slot, filter).value()
  }

  /// Sends the packet that the environment page's send block describes; one of no pieces only takes back what was sent.
  /// Needs the right to write.
  ///
  /// - Parameters:
  ///   - interface: a network interface's number
  ///   - slot: the slot of a capability over the network interface
  /// - Throws: why `CallNumber.packetSend` is refused.
  public static func sendPacket(
    interface: UInt64, capability slot: UInt64 = CapabilitySlot.networks
  ) throws(CallError) {
    _ = try call(.packetSend, slot, interface).value()
  }

  /// Has the extent's disk make durable what was written. Once that is done, every write of the disk whose success was
  /// told before this call outlives a loss of power, as far as the disk's own promises go. Needs the right to write, of
  /// the extent, too.
  ///
  /// - Parameters:
  ///   - extent: an extent's handle
  ///   - tag: where the environment page tells the result, below `EnvironmentPage.blockTags`
  ///   - slot: the slot of the capability that is presented
  /// - Throws: why `CallNumber.diskFlush` is refused.
  public static func flushDisk(
    extent: UInt64, tag: UInt64, capability slot: UInt64 = CapabilitySlot.own
  ) throws(CallError) {
    _ = try call(.diskFlush, slot, extent, tag).value()
  }
}
