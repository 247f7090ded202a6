// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

/// The kernel's calls. A call is made through the gate page: number in rax, arguments in rdi, rsi, rdx, rcx, r8;
/// the result comes back in rax, negative where it is a `CallError`, 0 where the call says nothing else.
/// Callee-saved registers are preserved, the other registers come back cleared.
///
/// `slot` is the index of the capability that the caller presents; it must dominate the guard of the resource
/// with the right that the call needs. `environment` and the other handles are a record's number with its
/// generation (`Handle`): one that is out of date names nothing. `table` says whose page table is meant:
/// `Handle.own`, or a `TableArgument`, where the capability in that slot needs the right to control. Where values
/// share a register, a structure packs and unpacks them, `FrameMapArguments` those of `frameMap`.
public enum CallNumber: UInt64, Sendable {
  // The processor.

  /// null(): does nothing. Its arguments are free for whoever traces the machine.
  case null = 0
  /// exit(status): ends this environment; does not return.
  case exit = 1
  /// yield(): gives up the rest of the slice.
  case yield = 2
  /// yieldTo(environment): gives the rest of the slice to an environment that can run. A gift, so no capability is
  /// needed. Once the slice is over, it is a yield.
  case yieldTo = 3
  /// sleep(events, deadline): runs again when the environment page's event count differs from `events`, at the
  /// time-stamp `deadline` (0: no deadline), or behind a revocation upcall.
  case sleep = 4
  /// sleepUntil(): runs again when a term of the predicate holds that `predicateBind` bound last, or behind a
  /// revocation upcall; at once where it holds, or none is bound.
  case sleepUntil = 5
  /// predicateBind(slot, frame, offset, count): takes over up to `Comparison.maximum` `Comparison`s from a frame as
  /// this environment's wakeup predicate; 0 unbinds. Each names the capability for its own word. All need the right to
  /// read.
  case predicateBind = 6
  /// wake(slot, environment): counts an event of a sleeper and lets its processor look at once. Needs the right to
  /// call.
  case wake = 7
  /// upcallBind(fault, epilogue, prologue, revocation): names the entries for page faults, for the end and the
  /// beginning of a slice, and for requests to give resources back; 0 for none.
  case upcallBind = 8
  /// faultDecline(): says that the page fault last upcalled is not one the libOS can serve; ends this environment with
  /// an epitaph.
  case faultDecline = 9
  /// exceptionDecline(vector, instruction, code): says the same of another exception; the gate page calls it where
  /// there is no entry.
  case exceptionDecline = 10
  /// transferBind(entry, stack, name, length): says where protected control transfers arrive (entry 0: nowhere), and
  /// from whom: from environments whose guards have the first `length` bytes of `name`.
  case transferBind = 11
  /// transfer(slot, environment): goes on as the other environment, at the entry that it bound, with the callee-saved
  /// registers as arguments and the caller's handle in rax; all others are empty, those of SSE, AVX and x87, too. The
  /// caller stays runnable, the callee gets the rest of the slice. Needs the right to call, but for an answer to
  /// somebody who waits for it. Once the slice is over, it says `again`: yield first.
  case transfer = 12
  /// sliceAllocate(slot, position): takes a free position of a slice vector, processor << 8 | position, or any
  /// (`CallNumber.any`); returns it. Needs the right to allocate.
  case sliceAllocate = 13
  /// sliceFree(slot, position): gives a position back. Needs the right to allocate. An owner that owes the position's
  /// processor a slice or more pays first: `again`.
  case sliceFree = 14
  /// sliceGive(slot, position, environment): gives a position to another environment; needs the right to allocate over
  /// the position, and to control the receiver. An owner that owes the position's processor a slice or more pays first:
  /// `again`.
  case sliceGive = 15

  // Capabilities.

  /// capabilityDerive(slot, into, name, length | rights << 32): puts a weaker capability into an empty slot.
  case capabilityDerive = 16
  /// capabilityAccept(slot, environment): lets that environment fill this empty slot, once; `Handle.none` forbids it
  /// again.
  case capabilityAccept = 17
  /// capabilityGrant(slot, environment, into, rights): puts the capability, with those of its rights, into a slot that
  /// accepts it from this environment. Needs the right to grant.
  case capabilityGrant = 18
  /// capabilityDrop(slot): empties a slot.
  case capabilityDrop = 19
  /// capabilityDestroy(slot, name, length): empties every other slot of every environment that holds a capability whose
  /// name starts with this one; returns how many. Needs the right to revoke. What was bound with them stays bound.
  case capabilityDestroy = 20

  // Environments.

  /// environmentCreate(slot, into): makes an environment as the environment page's `CreationBlock` says; returns its
  /// handle, and puts a capability for it, with all rights, into the empty slot `into`. Needs the right to allocate.
  case environmentCreate = 21
  /// environmentStart(slot, environment, entry, stack, position): lets it run, on a position of a slice vector as for
  /// `sliceAllocate`. Needs the right to control.
  case environmentStart = 22
  /// environmentDestroy(slot, environment): ends it. Needs the right to control.
  case environmentDestroy = 23
  /// environmentGuard(slot, environment, name, length): gives it another guard, which the capability dominates, too.
  /// Needs the right to control.
  case environmentGuard = 24
  /// quotaMove(slot, environment, kind, amount): moves a part of this environment's quota to that of one that it made;
  /// a negative amount takes back what it does not use. Needs the right to control.
  case quotaMove = 25
  /// revoke(slot, environment, kind | count << 32, deadline): asks an environment to give `count` resources of a kind
  /// back, of frames, positions or filters; at the time-stamp `deadline` the kernel takes what is missing. Needs the
  /// right to revoke.
  case revoke = 26

  // Memory.

  /// frameAllocate(slot, frame): makes a free frame, a named one or any (`CallNumber.any`), this environment's, guarded
  /// by the capability presented; returns its number. Needs the right to allocate.
  case frameAllocate = 27
  /// frameFree(slot, frame): gives back a frame that is not mapped and not in a device's hands. Needs the right to
  /// allocate.
  case frameFree = 28
  /// frameMap(slot, frame, address, rights | count << 32, table): maps a run of `count` frames (0 counts as 1; at most
  /// 64) at pages of one table that have no mapping. Stops at the first that is not like the first one; returns how
  /// many, at least 1.
  case frameMap = 29
  /// frameUnmap(address, count, table): removes the mappings of up to 64 pages of one table; stops at the first that
  /// has none; returns how many, at least 1.
  case frameUnmap = 30
  /// frameProtect(slot, address, rights | count << 32, table): gives mapped pages other rights and clears their
  /// accessed and dirty bits; stops as `frameMap` does; returns how many, at least 1.
  case frameProtect = 31
  /// entryWrite(address, value, table): writes an entry that maps nothing: 63 bits of the libOS's own, the lowest one
  /// zero.
  case entryWrite = 32
  /// tableInstall(slot, frame, address, level, table): gives a frame, a named one or a fresh one (`CallNumber.any`), to
  /// be the page table of `level` (1...3) for an address; where the table is another environment's, the frame becomes
  /// that one's. Needs the rights to write and to allocate.
  case tableInstall = 33
  /// framesAllocateMapped(slot, address, count, table): maps up to 64 fresh frames read-write at consecutive pages
  /// under one table; they belong to the environment whose table it is. Returns how many, at least 1. `busy` where a
  /// page has a mapping. Needs the rights to read, to write and to allocate.
  case framesAllocateMapped = 34
  /// frameGuard(slot, frame, name, length | allowed << 32): gives a frame another guard, which the capability
  /// dominates, too, and says which rights new mappings may have. Needs the right to allocate.
  case frameGuard = 35
  /// frameGive(slot, frame, environment): makes a frame another environment's, if its quota has room. Needs the right
  /// to allocate over the frame and to control over the environment.
  case frameGive = 36
  /// largeAllocate(slot): takes 512 frames in a row, on a boundary of 2 MiB; returns the first, which stands for all.
  /// `again` where the only free ones are being cleared, which takes 512 ends of slices each, or an idle processor.
  /// Needs the right to allocate.
  case largeAllocate = 37
  /// largeFree(slot, frame): gives them back. Needs the right to allocate.
  case largeFree = 38
  /// largeMap(slot, frame, address, rights): maps them at an address from `AddressMap.largePages` on.
  case largeMap = 39
  /// largeUnmap(address): removes that mapping.
  case largeUnmap = 40
  /// regionBind(slot, frame, offset | count << 32, name, length): makes up to 4,096 bytes of a frame a region with a
  /// guard of its own, which the capability dominates, too; returns its handle. Pins the frame. Needs the rights to
  /// read, to write and to allocate.
  case regionBind = 41
  /// regionUnbind(slot, region): removes a region. Needs the right to allocate.
  case regionUnbind = 42
  /// regionRead(slot, region, offset, count): copies up to `EnvironmentPage.regionCapacity` bytes into the environment
  /// page. Needs the right to read.
  case regionRead = 43
  /// regionWrite(slot, region, offset, count): copies from the environment page. Needs the right to write.
  case regionWrite = 44

  // Devices.

  /// consoleWrite(count): writes `count` bytes of the environment page's console buffer as one line. Where the line is
  /// more than the environment's budget, it is dropped, and the next one that fits tells how many bytes are missing.
  case consoleWrite = 45
  /// consoleDraw(slot, count): writes them as they are, with no name before and no end of line. Needs the right to
  /// write over the console. `noSuchResource` where the console is no terminal; `again` where they are more than the
  /// environment's budget, which is renewed after the length of a slice.
  case consoleDraw = 46
  /// extentBind(slot, disk, first, count, rights): binds a range of a disk; returns the extent's handle. Guarded by the
  /// environment's own guard. Needs the rights that the extent gets.
  case extentBind = 47
  /// extentUnbind(slot, extent): lets go of it, once nothing of it is in flight. Needs the right to allocate.
  case extentUnbind = 48
  /// blockSubmit(slot | extent << 32, block, frame, count | isWrite << 32, tag): starts the transfer of up to 8 blocks
  /// to or from one frame. Needs the right to read or to write.
  case blockSubmit = 49
  /// filterBind(slot, code, count, ring, slots): binds a packet filter, `count` instructions in the frame `code`, to a
  /// ring of this environment's frames; returns its handle. Needs the rights to read and to allocate over the network
  /// interface.
  case filterBind = 50
  /// filterUnbind(slot, filter): removes a filter. Needs the right to allocate.
  case filterUnbind = 51
  /// packetSend(slot, interface): sends the packet that the environment page's send block describes; one of no pieces
  /// only takes back what was sent. Needs the right to write.
  case packetSend = 52

  // The processor.

  /// call(slot, environment, deadline): is a transfer after which the caller waits until the callee transfers to it; it
  /// goes on behind its call. The callee runs in the caller's slices, too. `Handle.none` is returned where the callee
  /// ended instead, the time-stamp `deadline` came (0: no deadline), or the caller was told of a revocation.
  case call = 53
  /// answer(slot, environment): is a transfer after which the caller sleeps until it is transferred to, or an event
  /// comes. How a server answers.
  case answer = 54

  // Devices.

  /// diskFlush(slot, extent, tag): has the extent's disk make durable what was written. Once that is done, every write
  /// of the disk whose success was told before this call outlives a loss of power, as far as the disk's own promises
  /// go. Needs the right to write, of the extent, too.
  case diskFlush = 55

  /// Number of calls.
  public static let count: UInt64 = 56
  /// Names "any free frame" or "any free position" where a number is asked for.
  public static let any: UInt64 = UInt64(UInt32.max)
}
