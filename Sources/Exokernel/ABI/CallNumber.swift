/// The kernel's calls. A call is made through the gate page: number in rax, arguments in rdi, rsi, rdx, rcx, r8; the result comes back
/// in rax, negative where it is a `CallError`. Callee-saved registers are preserved, the other registers come back cleared.
public enum CallNumber: UInt64, Sendable {
  /// null(): does nothing and returns 0. Its arguments are free for whoever traces the machine.
  case null = 0
  /// exit(status): ends this environment; does not return.
  case exit = 1
  /// yield(): gives up the rest of the slice.
  case yield = 2
  /// sleep(events, deadline): runs again when the environment page's event count differs from `events`, or at the time-stamp `deadline`
  /// (0: no deadline).
  case sleep = 3
  /// consoleWrite(count): writes `count` bytes of the environment page's console buffer as one line.
  case consoleWrite = 4
  /// upcallBind(fault entry, epilogue entry): where the libOS wants to be told of page faults and of the end of its slice.
  case upcallBind = 5
  /// faultDecline(): the page fault last upcalled is not one the libOS can serve; ends this environment with an epitaph.
  case faultDecline = 6
  /// frameAllocate(capability, frame or any): makes a free frame this environment's, guarded by the capability presented. `busy` for "any"
  /// means that the search for a free one has a bound and ended too early: call again.
  case frameAllocate = 7
  /// frameFree(capability, frame): gives back a frame that is not mapped and not in a device's hands.
  case frameFree = 8
  /// frameMap(capability, frame, address, rights): maps a frame at a page that has no mapping.
  case frameMap = 9
  /// frameUnmap(address): removes the mapping of one page.
  case frameUnmap = 10
  /// tableInstall(capability, frame, address, level): gives a clean frame to be the page table of `level` (1...3) for an address.
  case tableInstall = 11
  /// framesAllocateMapped(capability, address, count): up to 64 fresh frames, mapped read-write at consecutive pages under one table;
  /// returns how many, at least 1. `busy` where a page has a mapping, or as with frameAllocate.
  case framesAllocateMapped = 12
  /// extentBind(capability, disk, first block, count, rights): binds a range of a disk; returns the extent's number.
  case extentBind = 13
  /// blockSubmit(extent, block, frame, count | write << 32, tag): starts the transfer of up to 8 blocks to or from one frame.
  case blockSubmit = 14
  /// filterBind(capability, code frame, instructions, ring frame, slots): binds a packet filter to a ring of this environment's frames.
  case filterBind = 15
  /// filterUnbind(filter): removes a filter.
  case filterUnbind = 16
  /// packetSend(capability, interface): sends the packet that the environment page's send block describes.
  case packetSend = 17
  /// sliceAllocate(capability, position or anySlice): takes a free position of the slice vector.
  case sliceAllocate = 18
  /// sliceFree(position): gives a position of the slice vector back.
  case sliceFree = 19

  /// Number of calls.
  public static let count: UInt64 = 20
  /// Names "any free frame" or "any free position" where a number is asked for.
  public static let any: UInt64 = UInt64(UInt32.max)
}

/// Where in the gate page a call enters.
public enum Gate {
  /// Caller-saved registers are lost, as with any function call.
  public static let call: UInt64 = AddressMap.gatePage
  /// Every register but rax is preserved.
  public static let callPreservingRegisters: UInt64 = AddressMap.gatePage + 64
}
