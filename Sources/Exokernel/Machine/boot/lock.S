# The kernel's lock, for those who take it in Swift, and waiting for it.
#include "layout.inc"
#include "lock.inc"

.section .text.lock, "ax", @progbits
.globl machine_acquire
machine_acquire:
  take_lock
  ret
.globl machine_release
machine_release:
  give_lock
  ret
# r11d: our ticket. Who holds the lock may wait for us to forget our translations. Preserves everything but r11 and the flags.
.globl wait_for_lock
wait_for_lock:
  push %rax
  push %rcx
1:pause
  mov %rsp, %rax
  or $(STACK_SIZE - 1), %rax
  cmpl $0, STATE_FLUSH - STATE_SIZE + 1(%rax)
  je 2f
  mov %cr3, %rcx
  mov %rcx, %cr3
  movl $0, STATE_FLUSH - STATE_SIZE + 1(%rax)
2:cmp %r11d, lock_served
  jne 1b
  pop %rcx
  pop %rax
  ret

.bss
.balign 8
.globl lock_tickets
lock_tickets: .skip 4
.globl lock_served
lock_served: .skip 4
