import ExokernelABI
import ExokernelCore

// The call table's entries for memory and devices; see Calls.swift.

@c(call_frame_allocate) func callFrameAllocate(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.frameAllocate(slot: slot, frame: frame).rawValue
}

@c(call_frame_free) func callFrameFree(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.frameFree(slot: slot, frame: frame).rawValue
}

@c(call_frame_map)
func callFrameMap(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ rightsAndCount: UInt64, _ table: UInt64)
  -> Int64
{
  kernel.frameMap(slot: slot, frame: frame, address: address, rightsAndCount: rightsAndCount, table: table).rawValue
}

@c(call_frame_unmap) func callFrameUnmap(_ address: UInt64, _ count: UInt64, _ table: UInt64) -> Int64 {
  kernel.frameUnmap(address: address, count: count, table: table).rawValue
}

@c(call_frame_protect)
func callFrameProtect(_ slot: UInt64, _ address: UInt64, _ rightsAndCount: UInt64, _ table: UInt64) -> Int64 {
  kernel.frameProtect(slot: slot, address: address, rightsAndCount: rightsAndCount, table: table).rawValue
}

@c(call_entry_write) func callEntryWrite(_ address: UInt64, _ value: UInt64, _ table: UInt64) -> Int64 {
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
func callFrameGuard(_ slot: UInt64, _ frame: UInt64, _ name: UInt64, _ lengthAndAllowed: UInt64) -> Int64 {
  kernel.frameGuard(slot: slot, frame: frame, name: name, lengthAndAllowed: lengthAndAllowed).rawValue
}

@c(call_frame_give) func callFrameGive(_ slot: UInt64, _ frame: UInt64, _ environment: UInt64) -> Int64 {
  kernel.frameGive(slot: slot, frame: frame, environment: environment).rawValue
}

@c(call_large_allocate) func callLargeAllocate(_ slot: UInt64) -> Int64 { kernel.largeAllocate(slot: slot).rawValue }

@c(call_large_free) func callLargeFree(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.largeFree(slot: slot, frame: frame).rawValue
}

@c(call_large_map)
func callLargeMap(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ rights: UInt64) -> Int64 {
  kernel.largeMap(slot: slot, frame: frame, address: address, rights: rights).rawValue
}

@c(call_large_unmap) func callLargeUnmap(_ address: UInt64) -> Int64 { kernel.largeUnmap(address: address).rawValue }

@c(call_region_bind)
func callRegionBind(_ slot: UInt64, _ frame: UInt64, _ offsetAndCount: UInt64, _ name: UInt64, _ length: UInt64)
  -> Int64
{
  kernel.regionBind(slot: slot, frame: frame, offsetAndCount: offsetAndCount, name: name, length: length).rawValue
}

@c(call_region_unbind) func callRegionUnbind(_ slot: UInt64, _ region: UInt64) -> Int64 {
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

@c(call_console_write) func callConsoleWrite(_ count: UInt64) -> Int64 { kernel.consoleWrite(count: count).rawValue }

@c(call_console_draw) func callConsoleDraw(_ slot: UInt64, _ count: UInt64) -> Int64 {
  kernel.consoleDraw(slot: slot, count: count).rawValue
}

@c(call_extent_bind)
func callExtentBind(_ slot: UInt64, _ disk: UInt64, _ first: UInt64, _ count: UInt64, _ rights: UInt64) -> Int64 {
  kernel.extentBind(slot: slot, disk: disk, first: first, count: count, rights: rights).rawValue
}

@c(call_extent_unbind) func callExtentUnbind(_ slot: UInt64, _ extent: UInt64) -> Int64 {
  kernel.extentUnbind(slot: slot, extent: extent).rawValue
}

@c(call_block_submit)
func callBlockSubmit(_ slotAndExtent: UInt64, _ block: UInt64, _ frame: UInt64, _ operation: UInt64, _ tag: UInt64)
  -> Int64
{
  kernel.blockSubmit(slotAndExtent: slotAndExtent, block: block, frame: frame, operation: operation, tag: tag).rawValue
}

@c(call_filter_bind)
func callFilterBind(_ slot: UInt64, _ code: UInt64, _ count: UInt64, _ ring: UInt64, _ slots: UInt64) -> Int64 {
  kernel.filterBind(slot: slot, code: code, count: count, ring: ring, slots: slots).rawValue
}

@c(call_filter_unbind) func callFilterUnbind(_ slot: UInt64, _ filter: UInt64) -> Int64 {
  kernel.filterUnbind(slot: slot, filter: filter).rawValue
}

@c(call_packet_send) func callPacketSend(_ slot: UInt64, _ interface: UInt64) -> Int64 {
  kernel.packetSend(slot: slot, interface: interface).rawValue
}
