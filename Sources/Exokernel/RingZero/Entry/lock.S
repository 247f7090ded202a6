# The kernel's lock, for those who take it in Swift, and waiting for it.
#include "layout.inc"
#include "lock.inc"

.section .text.lock, "ax", @progbits
.globl ring0_acquire
ring0_acquire:
  take_lock_if_shared
  ret
.globl ring0_release
ring0_release:
  give_lock
  ret
# There is one processor, and there will be no other. Called at boot, before the first environment runs.
.globl ring0_stop_locking
ring0_stop_locking:
  movl $1, lock_is_off
  lea entry_call_alone(%rip), %rax
  mov %ax, interrupt_table + 4 * 16       # the rest of the address is that of every entry
  ret
# r11d: our ticket. Who holds the lock may wait for us to forget our translations, or may have been stopped by the host:
# then the monitor is told now and then that we only wait. Preserves everything but r11 and the flags.
.globl wait_for_lock
wait_for_lock:
  push %rax
  push %rcx
  push %rdx
  mov $YIELD_PORT, %edx
  mov $32, %ecx
1:pause
  mov %rsp, %rax
  or $(STACK_SIZE - 1), %rax
  cmpl $0, STATE_FLUSH - STATE_SIZE + 1(%rax)
  je 2f
  push %rcx
  mov %cr3, %rcx
  mov %rcx, %cr3
  pop %rcx
  movl $0, STATE_FLUSH - STATE_SIZE + 1(%rax)
2:cmp %r11d, lock_served
  je 3f
  dec %ecx
  jnz 1b
  out %al, %dx
  mov $32, %ecx
  jmp 1b
3:pop %rdx
  pop %rcx
  pop %rax
  ret

.bss
.balign 8
.globl lock_tickets
lock_tickets: .skip 4
.globl lock_served
lock_served: .skip 4
.globl lock_is_off
lock_is_off: .skip 4
