// Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.

import CRingZero
import ExokernelABI
import ExokernelCore

// The call table's entries: entries.S calls them with the environment's registers as arguments, and returns what
// they return in rax. Calls that give the processor up, end their caller, or go on as another environment are in
// SwitchingCalls.swift.

@c(call_predicate_bind)
func callPredicateBind(_ slot: UInt64, _ frame: UInt64, _ offset: UInt64, _ count: UInt64) -> Int64 {
  kernel.predicateBind(slot: slot, frame: frame, offset: offset, count: count).rawValue
}

@c(call_wake)
func callWake(_ slot: UInt64, _ environment: UInt64) -> Int64 {
  kernel.wake(slot: slot, environment: environment).rawValue
}

@c(call_upcall_bind)
func callUpcallBind(_ fault: UInt64, _ epilogue: UInt64, _ prologue: UInt64, _ revocation: UInt64) -> Int64 {
  kernel.upcallBind(fault: fault, epilogue: epilogue, prologue: prologue, revocation: revocation).rawValue
}

@c(call_transfer_bind)
func callTransferBind(_ entry: UInt64, _ stack: UInt64, _ name: UInt64, _ length: UInt64) -> Int64 {
  kernel.transferBind(entry: entry, stack: stack, name: name, length: length).rawValue
}

@c(call_slice_allocate)
func callSliceAllocate(_ slot: UInt64, _ position: UInt64) -> Int64 {
  kernel.sliceAllocate(slot: slot, position: position).rawValue
}

@c(call_slice_free)
func callSliceFree(_ slot: UInt64, _ position: UInt64) -> Int64 {
  kernel.sliceFree(slot: slot, position: position).rawValue
}

@c(call_slice_give)
func callSliceGive(_ slot: UInt64, _ position: UInt64, _ environment: UInt64) -> Int64 {
  kernel.sliceGive(slot: slot, position: position, environment: environment).rawValue
}

@c(call_capability_derive)
func callCapabilityDerive(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64) -> Int64 {
  let arguments = CapabilityDeriveArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx)
  return kernel.capabilityDerive(arguments).rawValue
}

@c(call_capability_accept)
func callCapabilityAccept(_ slot: UInt64, _ environment: UInt64) -> Int64 {
  kernel.capabilityAccept(slot: slot, environment: environment).rawValue
}

@c(call_capability_grant)
func callCapabilityGrant(_ slot: UInt64, _ environment: UInt64, _ into: UInt64, _ rights: UInt64) -> Int64 {
  kernel.capabilityGrant(slot: slot, environment: environment, into: into, rights: rights).rawValue
}

@c(call_capability_drop)
func callCapabilityDrop(_ slot: UInt64) -> Int64 {
  kernel.capabilityDrop(slot: slot).rawValue
}

@c(call_capability_destroy)
func callCapabilityDestroy(_ slot: UInt64, _ name: UInt64, _ length: UInt64) -> Int64 {
  kernel.capabilityDestroy(slot: slot, name: name, length: length).rawValue
}

@c(call_environment_create)
func callEnvironmentCreate(_ slot: UInt64, _ into: UInt64) -> Int64 {
  kernel.environmentCreate(slot: slot, into: into).rawValue
}

@c(call_environment_start)
func callEnvironmentStart(
  _ slot: UInt64, _ environment: UInt64, _ entry: UInt64, _ stack: UInt64, _ position: UInt64
) -> Int64 {
  kernel.environmentStart(slot: slot, environment: environment, entry: entry, stack: stack, position: position).rawValue
}

@c(call_environment_guard)
func callEnvironmentGuard(_ slot: UInt64, _ environment: UInt64, _ name: UInt64, _ length: UInt64) -> Int64 {
  kernel.environmentGuard(slot: slot, environment: environment, name: name, length: length).rawValue
}

@c(call_quota_move)
func callQuotaMove(_ slot: UInt64, _ environment: UInt64, _ kind: UInt64, _ amount: UInt64) -> Int64 {
  kernel.quotaMove(slot: slot, environment: environment, kind: kind, amount: amount).rawValue
}

@c(call_revoke)
func callRevoke(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64) -> Int64 {
  let arguments = RevokeArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx)
  return kernel.revoke(arguments).rawValue
}

@c(call_frame_allocate)
func callFrameAllocate(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.frameAllocate(slot: slot, frame: frame).rawValue
}

@c(call_frame_free)
func callFrameFree(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.frameFree(slot: slot, frame: frame).rawValue
}

@c(call_frame_map)
func callFrameMap(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64, _ r8: UInt64) -> Int64 {
  let arguments = FrameMapArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx, r8: r8)
  return kernel.frameMap(arguments).rawValue
}

@c(call_frame_unmap)
func callFrameUnmap(_ address: UInt64, _ count: UInt64, _ table: UInt64) -> Int64 {
  kernel.frameUnmap(address: address, count: count, table: table).rawValue
}

@c(call_frame_protect)
func callFrameProtect(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64) -> Int64 {
  let arguments = FrameProtectArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx)
  return kernel.frameProtect(arguments).rawValue
}

@c(call_entry_write)
func callEntryWrite(_ address: UInt64, _ value: UInt64, _ table: UInt64) -> Int64 {
  kernel.entryWrite(address: address, value: value, table: table).rawValue
}

@c(call_table_install)
func callTableInstall(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ level: UInt64, _ table: UInt64) -> Int64 {
  kernel.tableInstall(slot: slot, frame: frame, address: address, level: level, table: table).rawValue
}

@c(call_frames_allocate_mapped)
func callFramesAllocateMapped(_ slot: UInt64, _ address: UInt64, _ count: UInt64, _ table: UInt64) -> Int64 {
  kernel.framesAllocateMapped(slot: slot, address: address, count: count, table: table).rawValue
}

@c(call_frame_guard)
func callFrameGuard(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64) -> Int64 {
  let arguments = FrameGuardArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx)
  return kernel.frameGuard(arguments).rawValue
}

@c(call_frame_give)
func callFrameGive(_ slot: UInt64, _ frame: UInt64, _ environment: UInt64) -> Int64 {
  kernel.frameGive(slot: slot, frame: frame, environment: environment).rawValue
}

@c(call_large_allocate)
func callLargeAllocate(_ slot: UInt64) -> Int64 {
  kernel.largeAllocate(slot: slot).rawValue
}

@c(call_large_free)
func callLargeFree(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.largeFree(slot: slot, frame: frame).rawValue
}

@c(call_large_map)
func callLargeMap(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ rights: UInt64) -> Int64 {
  kernel.largeMap(slot: slot, frame: frame, address: address, rights: rights).rawValue
}

@c(call_large_unmap)
func callLargeUnmap(_ address: UInt64) -> Int64 {
  kernel.largeUnmap(address: address).rawValue
}

@c(call_region_bind)
func callRegionBind(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64, _ r8: UInt64) -> Int64 {
  let arguments = RegionBindArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx, r8: r8)
  return kernel.regionBind(arguments).rawValue
}

@c(call_region_unbind)
func callRegionUnbind(_ slot: UInt64, _ region: UInt64) -> Int64 {
  kernel.regionUnbind(slot: slot, region: region).rawValue
}

@c(call_region_read)
func callRegionRead(_ slot: UInt64, _ region: UInt64, _ offset: UInt64, _ count: UInt64) -> Int64 {
  kernel.regionRead(slot: slot, region: region, offset: offset, count: count).rawValue
}

@c(call_region_write)
func callRegionWrite(_ slot: UInt64, _ region: UInt64, _ offset: UInt64, _ count: UInt64) -> Int64 {
  kernel.regionWrite(slot: slot, region: region, offset: offset, count: count).rawValue
}

@c(call_console_write)
func callConsoleWrite(_ count: UInt64) -> Int64 {
  kernel.consoleWrite(count: count).rawValue
}

@c(call_console_draw)
func callConsoleDraw(_ slot: UInt64, _ count: UInt64) -> Int64 {
  kernel.consoleDraw(slot: slot, count: count).rawValue
}

@c(call_extent_bind)
func callExtentBind(_ slot: UInt64, _ disk: UInt64, _ first: UInt64, _ count: UInt64, _ rights: UInt64) -> Int64 {
  kernel.extentBind(slot: slot, disk: disk, first: first, count: count, rights: rights).rawValue
}

@c(call_extent_unbind)
func callExtentUnbind(_ slot: UInt64, _ extent: UInt64) -> Int64 {
  kernel.extentUnbind(slot: slot, extent: extent).rawValue
}

@c(call_block_submit)
func callBlockSubmit(_ rdi: UInt64, _ rsi: UInt64, _ rdx: UInt64, _ rcx: UInt64, _ r8: UInt64) -> Int64 {
  let arguments = BlockSubmitArguments(rdi: rdi, rsi: rsi, rdx: rdx, rcx: rcx, r8: r8)
  return kernel.blockSubmit(arguments).rawValue
}

@c(call_filter_bind)
func callFilterBind(_ slot: UInt64, _ code: UInt64, _ count: UInt64, _ ring: UInt64, _ slots: UInt64) -> Int64 {
  kernel.filterBind(slot: slot, code: code, count: count, ring: ring, slots: slots).rawValue
}

@c(call_filter_unbind)
func callFilterUnbind(_ slot: UInt64, _ filter: UInt64) -> Int64 {
  kernel.filterUnbind(slot: slot, filter: filter).rawValue
}

@c(call_packet_send)
func callPacketSend(_ slot: UInt64, _ interface: UInt64) -> Int64 {
  kernel.packetSend(slot: slot, interface: interface).rawValue
}

@c(call_disk_flush)
func callDiskFlush(_ slot: UInt64, _ extent: UInt64, _ tag: UInt64) -> Int64 {
  kernel.diskFlush(slot: slot, extent: extent, tag: tag).rawValue
}
