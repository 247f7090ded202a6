import CMachine
import ExokernelABI
import ExokernelCore

// The call table's entries: entry.S calls them with the environment's registers as arguments, and returns what they return in rax.
// Their order is that of `CallNumber`.

@c(call_null) func callNull() -> Int64 { 0 }

@c(call_exit) func callExit(_ status: UInt64) -> Int64 {
  kernel.end(kernel.current, status: UInt32(truncatingIfNeeded: status & 0xff))
  Dispatcher.run()
}

@c(call_yield) func callYield() -> Int64 {
  let frame = UserFrame.current
  kernel.giveUp(instruction: frame.instruction, stack: frame.stack)
  Dispatcher.run()
}

@c(call_sleep) func callSleep(_ events: UInt64, _ deadline: UInt64) -> Int64 {
  guard kernel.sleep(events: events, deadline: deadline) else { return 0 }
  let frame = UserFrame.current
  kernel.giveUp(instruction: frame.instruction, stack: frame.stack)
  Dispatcher.run()
}

@c(call_console_write) func callConsoleWrite(_ count: UInt64) -> Int64 { kernel.consoleWrite(count: count).rawValue }

@c(call_upcall_bind) func callUpcallBind(_ fault: UInt64, _ epilogue: UInt64) -> Int64 {
  kernel.upcallBind(fault: fault, epilogue: epilogue).rawValue
}

@c(call_fault_decline) func callFaultDecline() -> Int64 {
  let instruction = kernel.environments[kernel.current].faultInstruction
  Dispatcher.abort(kernel.declinedFault(), at: instruction)
}

@c(call_frame_allocate) func callFrameAllocate(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.frameAllocate(slot: slot, frame: frame).rawValue
}

@c(call_frame_free) func callFrameFree(_ slot: UInt64, _ frame: UInt64) -> Int64 {
  kernel.frameFree(slot: slot, frame: frame).rawValue
}

@c(call_frame_map) func callFrameMap(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ rights: UInt64) -> Int64 {
  kernel.frameMap(slot: slot, frame: frame, address: address, rights: rights).rawValue
}

@c(call_frame_unmap) func callFrameUnmap(_ address: UInt64) -> Int64 { kernel.frameUnmap(address: address).rawValue }

@c(call_table_install)
func callTableInstall(_ slot: UInt64, _ frame: UInt64, _ address: UInt64, _ level: UInt64) -> Int64 {
  kernel.tableInstall(slot: slot, frame: frame, address: address, level: level).rawValue
}

@c(call_frames_allocate_mapped)
func callFramesAllocateMapped(_ slot: UInt64, _ address: UInt64, _ count: UInt64) -> Int64 {
  kernel.framesAllocateMapped(slot: slot, address: address, count: count).rawValue
}

@c(call_extent_bind)
func callExtentBind(_ slot: UInt64, _ disk: UInt64, _ first: UInt64, _ count: UInt64, _ rights: UInt64) -> Int64 {
  kernel.extentBind(slot: slot, disk: disk, first: first, count: count, rights: rights).rawValue
}

@c(call_block_submit)
func callBlockSubmit(_ extent: UInt64, _ block: UInt64, _ frame: UInt64, _ operation: UInt64, _ tag: UInt64) -> Int64 {
  kernel.blockSubmit(extent: extent, block: block, frame: frame, operation: operation, tag: tag).rawValue
}

@c(call_filter_bind)
func callFilterBind(_ slot: UInt64, _ code: UInt64, _ count: UInt64, _ ring: UInt64, _ slots: UInt64) -> Int64 {
  kernel.filterBind(slot: slot, code: code, count: count, ring: ring, slots: slots).rawValue
}

@c(call_filter_unbind) func callFilterUnbind(_ filter: UInt64) -> Int64 { kernel.filterUnbind(filter).rawValue }

@c(call_packet_send) func callPacketSend(_ slot: UInt64, _ interface: UInt64) -> Int64 {
  kernel.packetSend(slot: slot, interface: interface).rawValue
}

@c(call_slice_allocate) func callSliceAllocate(_ slot: UInt64, _ position: UInt64) -> Int64 {
  kernel.sliceAllocate(slot: slot, position: position).rawValue
}

@c(call_slice_free) func callSliceFree(_ position: UInt64) -> Int64 { kernel.sliceFree(position: position).rawValue }
