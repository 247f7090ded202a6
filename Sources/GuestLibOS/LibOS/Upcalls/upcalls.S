# Where the kernel, or the gate page, calls the program.
#include "abi.inc"
#include "gate.inc"
#include "registers.inc"

.section .text.upcalls, "ax", @progbits
# The registers of x87 and SSE, at the stack pointer.
.macro save_vectors
  sub $512, %rsp
  and $-16, %rsp
  fxsave64 (%rsp)
.endm

# The processor is ours again: tell the program, then go on at rdx. Whoever gave the processor up keeps nothing in
# registers.
.globl libos_prologue_entry
libos_prologue_entry:
  push %rbp
  mov %rsp, %rbp
  push %rdx
  and $-16, %rsp
  cld
  call libos_prologue
  mov -8(%rbp), %rdx
  mov %rbp, %rsp
  pop %rbp
  xor %eax, %eax
  jmp *%rdx

# The slice is over: save everything, give up the CPU, go on where we were. The 128 bytes below the stack pointer are a
# leaf function's. Only instructions that leave the flags alone come before the flags are saved.
.globl libos_companion_epilogue_entry
libos_companion_epilogue_entry:
  lea -136(%rsp), %rsp
  push %rax
  pushfq
  mov %rsp, %rax
  or $0xffff, %rax
  mov -0xfff+8(%rax), %rax
  jmp 1f
.globl libos_epilogue_entry
libos_epilogue_entry:
  lea -136(%rsp), %rsp
  push %rax
  pushfq
  mov ENVIRONMENT_PAGE + PAGE_EPILOGUE_RETURN, %rax
1:mov %rax, 16(%rsp)
  push_caller_saved_but_rax
  push_callee_saved
  cld
  mov %rsp, %rbp
  mov libos_vector_mask, %eax
  test %eax, %eax
  jz 2f
  sub libos_vector_size, %rsp
  and $-64, %rsp
  xor %edx, %edx
  mov %rdx, 512(%rsp)                     # XSAVE leaves what is reserved in its header, and XRSTOR wants it to be zero
  mov %rdx, 520(%rsp)
  mov %rdx, 528(%rsp)
  mov %rdx, 536(%rsp)
  mov %rdx, 544(%rsp)
  mov %rdx, 552(%rsp)
  mov %rdx, 560(%rsp)
  mov %rdx, 568(%rsp)
  xsave64 (%rsp)
  push %rbp
  mov $CALL_YIELD, %eax
  call_gate
  pop %rbp
  mov libos_vector_mask, %eax
  xor %edx, %edx
  xrstor64 (%rsp)
  jmp 3f
2:save_vectors
  push %rbp
  mov $CALL_YIELD, %eax
  call_gate
  pop %rbp
  fxrstor64 (%rsp)
3:mov %rbp, %rsp
  pop_callee_saved
  pop_caller_saved_but_rax
  popfq
  pop %rax
  ret $128

# The kernel puts the end of a slice off while a fault or an exception is on its way here: who has served one gives the
# CPU up then, with all but the callee-saved registers saved.
.macro yield_where_due
  cmpq $0, ENVIRONMENT_PAGE + PAGE_EPILOGUE_DUE
  je 1f
  call yield_due
1:
.endm
# The end of a handler that has pushed these registers and rbp, and kept its stack pointer in rbp before `save_vectors`.
.macro leave_handler
  yield_where_due
  fxrstor64 (%rsp)
  mov %rbp, %rsp
  pop %rbp
  pop_caller_saved
.endm
yield_due:
  cmpl $0, ENVIRONMENT_PAGE + PAGE_CRITICAL_SECTION
  jne 1f
  movq $0, ENVIRONMENT_PAGE + PAGE_EPILOGUE_DUE
  jmp libos_yield
1:ret

# A page fault: serve it on a stack of its own, and go on without the kernel. There is one such stack, so a fault of the
# handler's own ends the environment: it counts as pending until it is served.
.globl libos_fault_entry
libos_fault_entry:
  mov %rsp, ENVIRONMENT_PAGE + PAGE_FAULT_STACK_POINTER
  mov ENVIRONMENT_PAGE + PAGE_FAULT_STACK_TOP, %rsp
  push $0x2b
  push ENVIRONMENT_PAGE + PAGE_FAULT_STACK_POINTER
  pushfq
  push $0x33
  push ENVIRONMENT_PAGE + PAGE_FAULT_INSTRUCTION
  push_caller_saved
  push %rbp
  cld
  mov ENVIRONMENT_PAGE + PAGE_FAULT_ADDRESS, %rdi
  mov ENVIRONMENT_PAGE + PAGE_FAULT_CODE, %rsi
  mov ENVIRONMENT_PAGE + PAGE_FAULT_INSTRUCTION, %rdx
  mov %rsp, %rbp
  save_vectors
  cfi_interrupted rbp, 80
  cfi_caller_saved 8
  .cfi_offset rbp, -80
  call libos_fault
  .cfi_endproc
  movl $0, ENVIRONMENT_PAGE + PAGE_FAULT_PENDING
  leave_handler
  iretq

# An exception: `ExceptionFrame` is at the stack pointer, below the red zone of what was interrupted. Serve it there,
# with the vector and floating-point registers as every function expects them, and go on without the kernel.
.globl libos_exception_entry
libos_exception_entry:
  push_caller_saved
  push %rbp
  pushfq
  andl $~0x40000, (%rsp)                  # alignment is not checked in here
  popfq
  cld
  mov %rsp, %rbp
  lea 80(%rsp), %rdi
  save_vectors
  mov %rsp, %rsi
  fninit
  ldmxcsr default_vector_control(%rip)
  cfi_interrupted rbp, 104
  cfi_caller_saved 24
  .cfi_offset rbp, -96
  call libos_exception
  .cfi_endproc
  leave_handler
  add $16, %rsp
  iretq
default_vector_control:
  .long 0x1f80

# Somebody asks for resources: this environment had given the CPU up by a call, to whose return address rdx points, and
# whose other registers nobody expects anything of.
.globl libos_revocation_entry
libos_revocation_entry:
  push %rdx
  mov %rsp, %rbp
  and $-16, %rsp
  cld
  call libos_revocation
  mov %rbp, %rsp
  xor %eax, %eax
  ret

.bss
.balign 4096
  .skip 8192
.globl libos_fault_stack_top
libos_fault_stack_top:
