# How a program starts, calls the kernel, and is called by it.
.set PAGE, 0x5ff000                       # AddressMap.environmentPage
.set EPILOGUE_RETURN, PAGE + 8
.set FAULT_INSTRUCTION, PAGE + 16
.set FAULT_ADDRESS, PAGE + 24
.set FAULT_CODE, PAGE + 32
.set FAULT_PENDING, PAGE + 40
.set FAULT_STACK_POINTER, PAGE + 48
.set FAULT_STACK_TOP, PAGE + 56
.set CRITICAL_SECTION, PAGE + 44
.set EPILOGUE_DUE, PAGE + 72
.set GATE, 0x7f0000000000
.set EXIT, 1
.set YIELD, 2
.set YIELD_TO, 3
.set SLEEP, 4
.set SLEEP_UNTIL, 5
.set UPCALL_BIND, 8
.set TRANSFER, 12
.set CALL, 53

.section .text.start, "ax", @progbits
.globl _start
_start:
  movq $fault_stack_top, FAULT_STACK_TOP
  mov $UPCALL_BIND, %eax
  mov $fault_entry, %edi
  mov $epilogue_entry, %esi
  xor %edx, %edx
  xor %ecx, %ecx
  mov $GATE, %r11
  call *%r11
  call find_vectors
  xor %ebp, %ebp
  call libos_start
  ud2

# Which registers there are besides those that FXSAVE saves: AVX and what came after it, where the processor has them and somebody has
# switched them on (CPUID.1:ECX.OSXSAVE). Until this is known, none of them is in use.
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

# Where an environment begins that a program has made: its stack holds the body, int32_t (*)(argument, page), and the argument. The first has
# a page table of its own, with a copy of the program. The second shares its maker's: its stack lies in an aligned block of 64 KiB, whose last
# page is the environment page.
.section .text.child, "ax", @progbits
.globl libos_child_entry
libos_child_entry:
  movq $fault_stack_top, FAULT_STACK_TOP
  mov $fault_entry, %edi
  mov $epilogue_entry, %esi
  mov $PAGE, %r12d
  jmp 1f
.globl libos_companion_entry
libos_companion_entry:
  xor %edi, %edi
  mov $companion_epilogue_entry, %esi
  mov %rsp, %r12
  or $0xffff, %r12
  sub $0xfff, %r12
1:xor %edx, %edx
  xor %ecx, %ecx
  mov $UPCALL_BIND, %eax
  mov $GATE, %r11
  call *%r11
  pop %rax
  pop %rdi
  mov %r12, %rsi
  xor %ebp, %ebp
  call *%rax
  mov %eax, %edi
  mov $EXIT, %eax
  mov $GATE, %r11
  call *%r11
  ud2

.section .text.start, "ax", @progbits
# int64_t libos_call(number, a, b, c, d, e): any call that does not give up the CPU.
.globl libos_call
libos_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %rcx
  mov %r9, %r8
  mov $GATE, %r11
  jmp *%r11

# int64_t libos_call_preserving(number, a): the same through the gate that preserves every register but rax.
.globl libos_call_preserving
libos_call_preserving:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov $GATE + 64, %r11
  jmp *%r11

# void libos_yield(void), int64_t libos_yield_to(environment), void libos_sleep_until(void), void libos_sleep(events, deadline): the kernel keeps instruction and stack pointer, nothing else.
.globl libos_yield
libos_yield:
  mov $YIELD, %eax
  jmp 1f
.globl libos_yield_to
libos_yield_to:
  mov $YIELD_TO, %eax
  jmp 1f
.globl libos_sleep_until
libos_sleep_until:
  mov $SLEEP_UNTIL, %eax
  jmp 1f
.globl libos_sleep
libos_sleep:
  mov $SLEEP, %eax
1:push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov $GATE, %r11
  call *%r11
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

# int64_t libos_transfer(slot, environment, mode, message): goes on as another environment, with the six words of `message` in the registers
# that calls preserve, and comes back with those of whoever transfers here. Returns that one's handle, or an error.
.globl libos_transfer
libos_transfer:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push %rcx
  mov (%rcx), %rbx
  mov 8(%rcx), %rbp
  mov 16(%rcx), %r12
  mov 24(%rcx), %r13
  mov 32(%rcx), %r14
  mov 40(%rcx), %r15
  mov $TRANSFER, %eax                     # `mode` 0; 1 is CALL, 2 is ANSWER behind it
  test %edx, %edx
  jz 1f
  lea CALL-1(%rdx), %eax
1:mov $GATE, %r11
  call *%r11
  pop %rcx
  mov %rbx, (%rcx)
  mov %rbp, 8(%rcx)
  mov %r12, 16(%rcx)
  mov %r13, 24(%rcx)
  mov %r14, 32(%rcx)
  mov %r15, 40(%rcx)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

# Where transfers arrive: the message comes onto the stack that was bound, and libos_serve is called with the caller's handle and it.
.globl libos_transfer_entry
libos_transfer_entry:
  sub $48, %rsp
  mov %rbx, (%rsp)
  mov %rbp, 8(%rsp)
  mov %r12, 16(%rsp)
  mov %r13, 24(%rsp)
  mov %r14, 32(%rsp)
  mov %r15, 40(%rsp)
  mov %rax, %rdi
  mov %rsp, %rsi
  xor %ebp, %ebp
  cld
  mov libos_transfer_server, %rax
  call *%rax
  ud2

# void libos_switch(from, to): keeps what a function must keep, changes the stack.
.globl libos_switch
libos_switch:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, libos_thread_stacks(,%rdi,8)
  mov libos_thread_stacks(,%rsi,8), %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
.globl libos_thread_entry
libos_thread_entry:
  xor %ebp, %ebp
  and $-16, %rsp
  call libos_thread_main
  ud2

# The processor is ours again: tell the program, then go on at rdx. Whoever gave the processor up keeps nothing in registers.
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

# The slice is over: save everything, give up the CPU, go on where we were. The 128 bytes below the stack pointer are a leaf function's. Only
# instructions that leave the flags alone come before the flags are saved.
companion_epilogue_entry:
  lea -136(%rsp), %rsp
  push %rax
  pushfq
  mov %rsp, %rax
  or $0xffff, %rax
  mov -0xfff+8(%rax), %rax
  jmp 1f
epilogue_entry:
  lea -136(%rsp), %rsp
  push %rax
  pushfq
  mov EPILOGUE_RETURN, %rax
1:mov %rax, 16(%rsp)
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
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
  mov $YIELD, %eax
  mov $GATE, %r11
  call *%r11
  pop %rbp
  mov libos_vector_mask, %eax
  xor %edx, %edx
  xrstor64 (%rsp)
  jmp 3f
2:sub $512, %rsp
  and $-16, %rsp
  fxsave64 (%rsp)
  push %rbp
  mov $YIELD, %eax
  mov $GATE, %r11
  call *%r11
  pop %rbp
  fxrstor64 (%rsp)
3:mov %rbp, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  popfq
  pop %rax
  ret $128

# The kernel puts the end of a slice off while a fault or an exception is on its way here: who has served one gives the CPU up then, with
# all but the callee-saved registers saved.
.macro yield_where_due
  cmpq $0, EPILOGUE_DUE
  je 1f
  call yield_due
1:
.endm
yield_due:
  cmpl $0, CRITICAL_SECTION
  jne 1f
  movq $0, EPILOGUE_DUE
  jmp libos_yield
1:ret

# A page fault: serve it on a stack of its own, and go on without the kernel. There is one such stack, so a fault of the handler's own ends the
# environment: it counts as pending until it is served.
fault_entry:
  mov %rsp, FAULT_STACK_POINTER
  mov FAULT_STACK_TOP, %rsp
  push $0x2b
  push FAULT_STACK_POINTER
  pushfq
  push $0x33
  push FAULT_INSTRUCTION
  push %rax
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbp
  cld
  mov FAULT_ADDRESS, %rdi
  mov FAULT_CODE, %rsi
  mov FAULT_INSTRUCTION, %rdx
  mov %rsp, %rbp
  sub $512, %rsp
  and $-16, %rsp
  fxsave64 (%rsp)
  call libos_fault
  movl $0, FAULT_PENDING
  yield_where_due
  fxrstor64 (%rsp)
  mov %rbp, %rsp
  pop %rbp
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rax
  iretq

# An exception: `ExceptionFrame` is at the stack pointer, below the red zone of what was interrupted. Serve it there, with the vector and
# floating-point registers as every function expects them, and go on without the kernel.
.globl libos_exception_entry
libos_exception_entry:
  push %rax
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbp
  pushfq
  andl $~0x40000, (%rsp)                  # alignment is not checked in here
  popfq
  cld
  mov %rsp, %rbp
  lea 80(%rsp), %rdi
  sub $512, %rsp
  and $-16, %rsp
  fxsave64 (%rsp)
  mov %rsp, %rsi
  fninit
  ldmxcsr default_vector_control(%rip)
  call libos_exception
  yield_where_due
  fxrstor64 (%rsp)
  mov %rbp, %rsp
  pop %rbp
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rax
  add $16, %rsp
  iretq
default_vector_control:
  .long 0x1f80

# Somebody asks for resources: this environment had given the CPU up by a call, to whose return address rdx points, and whose other registers
# nobody expects anything of.
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

# Names that Swift reserves for its runtime's use.
.section .text.allocation, "ax", @progbits
.globl posix_memalign
posix_memalign:
  jmp libos_allocate
.globl free
free:
  jmp libos_free

.globl memcpy
.globl memmove
.globl memset
.globl memcmp
.section .text.memcpy, "ax", @progbits
memcpy:
  mov %rdi, %rax
  mov %rdx, %rcx
  rep movsb
  ret
.section .text.memmove, "ax", @progbits
memmove:
  mov %rdi, %rax
  mov %rdx, %rcx
  mov %rdi, %r8
  sub %rsi, %r8
  cmp %rdx, %r8
  jb 1f
  rep movsb
  ret
1:lea -1(%rdi,%rdx), %rdi
  lea -1(%rsi,%rdx), %rsi
  std
  rep movsb
  cld
  ret
.section .text.memset, "ax", @progbits
memset:
  mov %rdi, %r9
  mov %esi, %eax
  mov %rdx, %rcx
  rep stosb
  mov %r9, %rax
  ret
.section .text.memcmp, "ax", @progbits
memcmp:
  xor %eax, %eax
  mov %rdx, %rcx
  test %rcx, %rcx
  jz 1f
  repe cmpsb
  je 1f
  movzbl -1(%rdi), %eax
  movzbl -1(%rsi), %ecx
  sub %ecx, %eax
1:ret

.bss
.balign 8
.globl libos_transfer_server
libos_transfer_server:
  .skip 8
.globl libos_vector_mask
libos_vector_mask:
  .skip 4
  .skip 4
libos_vector_size:
  .skip 8
.globl libos_thread_stacks
libos_thread_stacks:
  .skip 64 * 8
.balign 4096
  .skip 8192
fault_stack_top:
