# How a program starts, and an environment that a program has made.
#include "abi.inc"
#include "gate.inc"

.section .text.start, "ax", @progbits
.globl _start
_start:
  movq $libos_fault_stack_top, ENVIRONMENT_PAGE + PAGE_FAULT_STACK_TOP
  mov $CALL_UPCALL_BIND, %eax
  mov $libos_fault_entry, %edi
  mov $libos_epilogue_entry, %esi
  xor %edx, %edx
  xor %ecx, %ecx
  call_gate
  call find_vectors
  xor %ebp, %ebp
  call libos_start
  ud2

# Which registers there are besides those that FXSAVE saves: AVX and what came after it, where the processor has them
# and somebody has switched them on (CPUID.1:ECX.OSXSAVE). Until this is known, none of them is in use.
find_vectors:
  push %rbx
  mov $1, %eax
  xor %ecx, %ecx
  cpuid
  bt $27, %ecx
  jnc 1f
  xor %ecx, %ecx
  xgetbv
  test $4, %al
  jz 1f
  mov %eax, %esi
  mov $13, %eax
  xor %ecx, %ecx
  cpuid                                   # ebx: bytes for all that are switched on
  mov %ebx, libos_vector_size
  mov %esi, libos_vector_mask
1:pop %rbx
  ret

# Where an environment begins that a program has made: its stack holds the body, int32_t (*)(argument, page), and the
# argument. The first has a page table of its own, with a copy of the program. The second shares its maker's: its stack
# lies in an aligned block of 64 KiB, whose last page is the environment page.
.section .text.child, "ax", @progbits
.globl libos_child_entry
libos_child_entry:
  movq $libos_fault_stack_top, ENVIRONMENT_PAGE + PAGE_FAULT_STACK_TOP
  mov $libos_fault_entry, %edi
  mov $libos_epilogue_entry, %esi
  mov $ENVIRONMENT_PAGE, %r12d
  jmp 1f
.globl libos_companion_entry
libos_companion_entry:
  xor %edi, %edi
  mov $libos_companion_epilogue_entry, %esi
  mov %rsp, %r12
  or $0xffff, %r12
  sub $0xfff, %r12
1:xor %edx, %edx
  xor %ecx, %ecx
  mov $CALL_UPCALL_BIND, %eax
  call_gate
  pop %rax
  pop %rdi
  mov %r12, %rsi
  xor %ebp, %ebp
  call *%rax
  mov %eax, %edi
  mov $CALL_EXIT, %eax
  call_gate
  ud2

.bss
.balign 8
.globl libos_vector_mask
libos_vector_mask: .skip 4
.balign 8
.globl libos_vector_size
libos_vector_size: .skip 8
