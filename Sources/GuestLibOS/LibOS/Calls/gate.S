# How a program calls the kernel.
#include "abi.inc"
#include "gate.inc"
#include "registers.inc"

.section .text.calls, "ax", @progbits
# int64_t libos_call(number, a, b, c, d, e): any call that does not give up the CPU.
.globl libos_call
libos_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %rcx
  mov %r9, %r8
  mov $GATE_PAGE, %r11
  jmp *%r11

# int64_t libos_call_preserving(number, a): the same through the gate that preserves every register but rax.
.globl libos_call_preserving
libos_call_preserving:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov $GATE_PAGE + GATE_PRESERVING, %r11
  jmp *%r11

# void libos_yield(void), int64_t libos_yield_to(environment), void libos_sleep_until(void), void libos_sleep(events,
# deadline): the kernel keeps instruction and stack pointer, nothing else.
.globl libos_yield
libos_yield:
  mov $CALL_YIELD, %eax
  jmp 1f
.globl libos_yield_to
libos_yield_to:
  mov $CALL_YIELD_TO, %eax
  jmp 1f
.globl libos_sleep_until
libos_sleep_until:
  mov $CALL_SLEEP_UNTIL, %eax
  jmp 1f
.globl libos_sleep
libos_sleep:
  mov $CALL_SLEEP, %eax
1:push_callee_saved
  call_gate
  pop_callee_saved
  ret
