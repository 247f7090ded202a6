# The gate pages: the ways into the kernel, and the instructions of ring 3 that the kernel goes back by.
# `AddressMap.gatePage` shows one of them.
#include "abi.inc"
#include "layout.inc"
#include "registers.inc"
#include "x86.inc"

.section .gates, "aw", @progbits
.macro preserving_gate target
  push_caller_saved_but_rax
  .cfi_startproc
  .cfi_def_cfa_offset 72
  call \target
  .cfi_endproc
  pop_caller_saved_but_rax
  ret
.endm
# How a transfer arrives: rdx says where. The message is in the registers that calls preserve, the caller's handle in
# rax; all others are emptied, as after giving the processor up.
.macro arriving_gate has_avx
  .if \has_avx
  mov %rax, %r8
  mov %rdx, %r9
  mov $0xe7, %eax
  xor %edx, %edx
  xrstor64 10f(%rip)
  mov %r8, %rax
  mov %r9, %rdx
  .else
  fxrstor64 10f(%rip)
  .endif
  clear_registers %ecx, %esi, %edi, %r8d, %r9d, %r10d, %r11d
  jmp *%rdx
.endm
# How an environment goes on that gave the processor up: rcx says where, rdx where it would have gone on. The registers
# are still the kernel's and another environment's, so no upcall comes between: the kernel puts the end of a slice off
# while the instruction pointer is in this part of the page (`AddressMap.gateWindow`). x87 and SSE as after FNINIT, all
# exceptions masked; where ring 3 has AVX, or AVX-512, their registers are emptied as well.
.macro resuming_gate has_avx
  .if \has_avx
  mov %rdx, %r8
  mov $0xe7, %eax
  xor %edx, %edx
  xrstor64 10f(%rip)
  mov %r8, %rdx
  .else
  fxrstor64 10f(%rip)
  .endif
  clear_registers %eax, %ebx, %ebp, %esi, %edi, %r8d, %r9d, %r10d, %r11d, %r12d, %r13d, %r14d, %r15d
  jmp *%rcx
.endm
.macro resuming_gate_state
  .balign 64, 0xcc
10:
  .short 0x37f                                                        # x87 control word
  .fill 22, 1, 0
  .long 0x1f80                                                        # MXCSR
  .fill 484 + 64, 1, 0                                                # for XRSTOR, a header: all in its first state
.endm
# Exceptions that come here from ring 3 without the kernel, on a small stack inside the environment page, one for each
# processor. They go on at the entry that the libOS has put into the page, on the stack that they interrupted, below its
# red zone. There: `ExceptionFrame`, made of vector, error code, and the processor's frame. Exceptions that only the
# kernel can take join them behind the stubs (`AddressMap.exceptionGate`), with the same frame in the same place.
.macro exception_gates gate
  .set vector, 0
  .rept 20
    .org \gate + EXCEPTION_STUBS + vector * 16, 0xcc
    .if vector != VECTOR_ALIGNMENT
      push $0
    .endif
    push $vector
    jmp 20f
    .set vector, vector + 1
  .endr
  .org \gate + GATE_EXCEPTION, 0xcc
20:
  push %rax
  push %rcx
  mov $USER_DATA, %ecx                                                # see `mendReturn`: it may be empty
  mov %ecx, %ss
  mov %rsp, %rax
  cmpq $0, ENVIRONMENT_PAGE + PAGE_EXCEPTION_ENTRY
  je 21f
  .set kept, 2 * 8                                                    # rcx and rax, below the frame
  mov kept + EXCEPTION_FRAME + FRAME_STACK(%rax), %rsp
  lea -128(%rsp), %rsp                                                # the red zone
  and $-16, %rsp
  .set word, kept + EXCEPTION_FRAME + FRAME_STACK_SEGMENT
  .rept 7
    push word(%rax)
    .set word, word - 8
  .endr
  mov (%rax), %rcx
  mov 8(%rax), %rax
  jmp *(ENVIRONMENT_PAGE + PAGE_EXCEPTION_ENTRY)
21:
  push %rdx
  push %rsi
  push %rdi
  mov kept + EXCEPTION_VECTOR(%rax), %rdi
  mov kept + EXCEPTION_FRAME + FRAME_INSTRUCTION(%rax), %rsi
  mov kept + EXCEPTION_CODE(%rax), %rdx
  mov $CALL_EXCEPTION_DECLINE, %eax
  cfi_interrupted rsp, 56
  .cfi_offset rax, -24
  .cfi_offset rcx, -32
  .cfi_offset rdx, -40
  .cfi_offset rsi, -48
  .cfi_offset rdi, -56
  call \gate
  .cfi_endproc
.endm
# What the boot runs once in ring 3, in the first page: SYSCALL, to see where it arrives; and a look at what is switched
# on for ring 3 besides SSE, which is not what the kernel would see where ring 0 is emulated. The exception that follows
# brings eax.
.macro probes
  syscall
  ud2
  .org gate_interrupt + PROBE_VECTORS, 0xcc
  mov $1, %eax
  xor %ecx, %ecx
  cpuid
  xor %eax, %eax
  bt $27, %ecx                                                        # OSXSAVE
  jnc 1f
  xor %ecx, %ecx
  xgetbv
  and $4, %eax                                                        # AVX
1:ud2
.endm
.macro gate_page name, enters_by_syscall, has_avx
.balign 4096, 0xcc
.globl \name
\name:
  .cfi_startproc
  .if \enters_by_syscall
  mov %rcx, %r10
  syscall
  .else
  int $4
  .endif
  ret
  .org \name + GATE_PRESERVING, 0xcc
  .cfi_endproc                            # one rule for the gates of all pages: the monitor knows the first by name
  preserving_gate \name
  .org \name + PROBE_SYSCALL, 0xcc
  .ifc \name, gate_interrupt
  probes
  .endif
  .org \name + GATE_WINDOW, 0xcc
  resuming_gate \has_avx
  exception_gates \name
  .org \name + GATE_ARRIVAL, 0xcc
  arriving_gate \has_avx
  .org \name + GATE_WINDOW + GATE_WINDOW_SIZE, 0xcc
  resuming_gate_state
.endm
# In this order: the boot chooses one by its number.
gate_page gate_interrupt, 0, 0
gate_page gate_interrupt_avx, 0, 1
gate_page gate_syscall, 1, 0
gate_page gate_syscall_avx, 1, 1
.balign 4096, 0xcc
