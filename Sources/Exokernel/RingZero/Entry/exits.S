# The ways out of ring 0 that are not the end of an entry.
#include "abi.inc"
#include "layout.inc"
#include "lock.inc"
#include "registers.inc"
#include "x86.inc"

.section .text.exits, "ax", @progbits
# ---------------------------------------------------------------- into an environment that called to be here
# By way of the gate page, whose instructions empty the registers in ring 3: what is in them is the kernel's and another
# environment's.
.globl ring0_resume
ring0_resume:                           # rdi: instruction pointer, rsi: stack pointer, rdx: saved instruction pointer
  or $(STACK_SIZE - 1), %rsp
  sub $(STATE_SIZE - 1 + FRAME_SIZE), %rsp
  mov $(GATE_PAGE + GATE_WINDOW), %rax
  mov %rax, FRAME_INSTRUCTION(%rsp)
  movq $USER_CODE, FRAME_CODE_SEGMENT(%rsp)
  movq $FLAGS_USER, FRAME_FLAGS(%rsp)
  mov %rsi, FRAME_STACK(%rsp)
  mov %rdi, %rcx
  give_lock
  iretq

# ---------------------------------------------------------------- nobody can run
# Whatever interrupts ring 0 interrupts these two instructions, and goes on behind them. STI should hold interrupts off
# until HLT has begun, but QEMU's SVM forgets that over a VM exit: an interrupt that is served before HLT would be slept
# through.
.globl ring0_wait_for_interrupt, waited
ring0_wait_for_interrupt:
  sti
  hlt
waited:
  cli
  ret
# The same without sleeping, where there is more to do: what interrupts is served, once. The instruction behind STI
# still runs with interrupts off.
.globl ring0_serve_interrupts
ring0_serve_interrupts:
  sti
  nop
  jmp waited

# ---------------------------------------------------------------- which instruction enters the kernel here?
# ring0_probe(offset): runs a part of the gate page once in ring 3. ring0_probe(PROBE_SYSCALL) -> 0 SYSCALL, 1 int $4:
# executes SYSCALL and sees where it arrives. ring0_probe(PROBE_VECTORS) -> what ring 3 finds switched on, see gates.S.
.globl ring0_probe
ring0_probe:
  push_callee_saved
  mov %rsp, probe_stack(%rip)
  push $USER_DATA
  push $0
  push $FLAGS_ALWAYS                      # no interrupts: nobody serves them yet
  push $USER_CODE
  mov $GATE_PAGE, %rax
  add %rdi, %rax
  push %rax
  mov $1, %eax                            # the answer, unless the probe has another one
  iretq
.globl probe_syscall_arrived
probe_syscall_arrived:
  xor %edi, %edi
.globl ring0_probe_done
ring0_probe_done:                       # edi: the answer
  mov probe_stack(%rip), %rsp
  mov %edi, %eax
  pop_callee_saved
  ret

.bss
.balign 8
probe_stack: .skip 8
