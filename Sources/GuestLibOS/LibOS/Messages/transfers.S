# Protected control transfers: the message is in the registers that calls preserve.
#include "abi.inc"
#include "gate.inc"
#include "registers.inc"

.macro store_message place
  mov %rbx, (\place)
  mov %rbp, 8(\place)
  mov %r12, 16(\place)
  mov %r13, 24(\place)
  mov %r14, 32(\place)
  mov %r15, 40(\place)
.endm

.section .text.transfers, "ax", @progbits
# int64_t libos_transfer(slot, environment, mode, message, deadline): goes on as another environment, with the six words
# of `message` in the registers that calls preserve, and comes back with those of whoever transfers here, by `deadline`
# where `mode` is 1. Returns that one's handle, or an error.
.globl libos_transfer
libos_transfer:
  push_callee_saved
  push %rcx
  mov (%rcx), %rbx
  mov 8(%rcx), %rbp
  mov 16(%rcx), %r12
  mov 24(%rcx), %r13
  mov 32(%rcx), %r14
  mov 40(%rcx), %r15
  mov $CALL_TRANSFER, %eax                # `mode` 0; 1 is CALL_CALL, 2 is CALL_ANSWER
  test %edx, %edx
  jz 1f
  lea CALL_CALL-1(%rdx), %eax
1:mov %r8, %rdx
  call_gate
  pop %rcx
  store_message %rcx
  pop_callee_saved
  ret

# Where transfers arrive: the message comes onto the stack that was bound, and `libos_transfer_server` is called with
# the caller's handle and it.
.globl libos_transfer_entry
libos_transfer_entry:
  sub $48, %rsp
  store_message %rsp
  mov %rax, %rdi
  mov %rsp, %rsi
  xor %ebp, %ebp
  cld
  mov libos_transfer_server, %rax
  call *%rax
  ud2

.if CALL_ANSWER != CALL_CALL + 1
  .error "libos_transfer counts on the order of CALL_CALL and CALL_ANSWER"
.endif

.bss
.balign 8
.globl libos_transfer_server
libos_transfer_server: .skip 8
