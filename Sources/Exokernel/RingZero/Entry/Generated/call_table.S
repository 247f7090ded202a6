# Generated from Sources/Exokernel/CallList by `swift run GenerateCalls`; do not edit.
#
# What entries.S calls for each number of `CallNumber`, in their order. A call that nobody has written is an
# undefined symbol.
#include "abi.inc"

.section .rodata.calls, "a", @progbits
.balign 8
.globl call_table
call_table:
  .quad call_null
  .quad call_exit
  .quad call_yield
  .quad call_yield_to
  .quad call_sleep
  .quad call_sleep_until
  .quad call_predicate_bind
  .quad call_wake
  .quad call_upcall_bind
  .quad call_fault_decline
  .quad call_exception_decline
  .quad call_transfer_bind
  .quad call_transfer
  .quad call_slice_allocate
  .quad call_slice_free
  .quad call_slice_give
  .quad call_capability_derive
  .quad call_capability_accept
  .quad call_capability_grant
  .quad call_capability_drop
  .quad call_capability_destroy
  .quad call_environment_create
  .quad call_environment_start
  .quad call_environment_destroy
  .quad call_environment_guard
  .quad call_quota_move
  .quad call_revoke
  .quad call_frame_allocate
  .quad call_frame_free
  .quad call_frame_map
  .quad call_frame_unmap
  .quad call_frame_protect
  .quad call_entry_write
  .quad call_table_install
  .quad call_frames_allocate_mapped
  .quad call_frame_guard
  .quad call_frame_give
  .quad call_large_allocate
  .quad call_large_free
  .quad call_large_map
  .quad call_large_unmap
  .quad call_region_bind
  .quad call_region_unbind
  .quad call_region_read
  .quad call_region_write
  .quad call_console_write
  .quad call_console_draw
  .quad call_extent_bind
  .quad call_extent_unbind
  .quad call_block_submit
  .quad call_filter_bind
  .quad call_filter_unbind
  .quad call_packet_send
  .quad call_call
  .quad call_answer
  .quad call_disk_flush
call_table_end:
.if (call_table_end - call_table) != CALLS * 8
  .error "the call table does not have CALLS entries"
.endif
