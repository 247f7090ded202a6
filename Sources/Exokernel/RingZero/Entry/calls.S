# What entries.S calls for each number of `CallNumber`, in their order.
#include "abi.inc"

.section .rodata.calls, "a", @progbits
.balign 8
.globl call_table
call_table:
  .quad call_null, call_exit, call_yield, call_yield_to, call_sleep, call_sleep_until, call_predicate_bind, call_wake
  .quad call_upcall_bind, call_fault_decline, call_exception_decline
  .quad call_transfer_bind, call_transfer
  .quad call_slice_allocate, call_slice_free, call_slice_give
  .quad call_capability_derive, call_capability_accept, call_capability_grant, call_capability_drop, call_capability_destroy
  .quad call_environment_create, call_environment_start, call_environment_destroy, call_environment_guard
  .quad call_quota_move, call_revoke
  .quad call_frame_allocate, call_frame_free, call_frame_map, call_frame_unmap, call_frame_protect, call_entry_write
  .quad call_table_install, call_frames_allocate_mapped, call_frame_guard, call_frame_give
  .quad call_large_allocate, call_large_free, call_large_map, call_large_unmap
  .quad call_region_bind, call_region_unbind, call_region_read, call_region_write
  .quad call_console_write, call_console_draw
  .quad call_extent_bind, call_extent_unbind, call_block_submit
  .quad call_filter_bind, call_filter_unbind, call_packet_send
  .quad call_call, call_answer
call_table_end:
.if (call_table_end - call_table) != CALLS * 8
  .error "the call table does not have CALLS entries"
.endif
