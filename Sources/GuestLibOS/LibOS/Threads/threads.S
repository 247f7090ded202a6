# Changes of threads.
#include "registers.inc"

.section .text.threads, "ax", @progbits
# void libos_switch(from, to): keeps what a function must keep, changes the stack.
.globl libos_switch
libos_switch:
  push_callee_saved
  mov %rsp, libos_thread_stacks(,%rdi,8)
  mov libos_thread_stacks(,%rsi,8), %rsp
  pop_callee_saved
  ret
.globl libos_thread_entry
libos_thread_entry:
  xor %ebp, %ebp
  and $-16, %rsp
  call libos_thread_main
  ud2

.bss
.balign 8
.globl libos_thread_stacks
libos_thread_stacks: .skip 64 * 8
