# Every way into ring 0 but the processors' first steps. Interrupts are off in the kernel; there is one stack and one
# emergency stack for each processor, and one lock.
#include "abi.inc"
#include "layout.inc"
#include "lock.inc"
#include "registers.inc"
#include "x86.inc"

# ---------------------------------------------------------------- interrupt vectors, 16 bytes each
.section .vectors, "ax", @progbits
.globl vectors
vectors:
.set vector, 0
.rept 256
  .balign 16, 0xcc
  # Never reached: the interrupt table (tables.S) points vectors 4, 14 and the timer straight at the entries below.
  .if vector == VECTOR_CALL
    jmp entry_call
  .elseif vector == VECTOR_PAGE_FAULT
    jmp entry_page_fault
  .elseif vector == VECTOR_TIMER
    jmp entry_timer
  .elseif vector == VECTOR_PROCESSOR
    jmp entry_processor_interrupt
  .elseif vector == VECTOR_SPURIOUS
    iretq                                 # spurious
  .elseif vector >= VECTOR_FIRST_INTERRUPT
    push $0
    push $vector
    jmp entry_device
  .elseif vector == VECTOR_DOUBLE_FAULT
    jmp entry_double_fault
  .elseif (vector >= 10 && vector <= 13) || vector == VECTOR_ALIGNMENT || vector == 21 || vector == 29 || vector == 30
    push $vector                          # the processor has pushed an error code
    jmp entry_exception
  .else
    push $0
    push $vector
    jmp entry_exception
  .endif
  .set vector, vector + 1
.endr
.balign 16, 0xcc

# ---------------------------------------------------------------- kernel calls
# These entries follow the vectors, so that tables.S knows where they are: the processor comes here without a jump.
# A call comes in four ways, which do the same: by `entry_call` or `entry_syscall`, and without the lock by
# `entry_call_alone` or `entry_syscall_alone`. Change all; `CallEntryTests` executes them on the same registers.

# What interrupts and exceptions find in the registers that functions may change.
.macro save_interrupted
  push_caller_saved
  cld
.endm
# What is at the stack pointer then: those registers, vector and error code, and the processor's frame.
.macro cfi_saved
  cfi_interrupted rsp, 88
  cfi_caller_saved 24
.endm
# The way back, by the vector and the error code above them.
.macro resume_interrupted
  pop_caller_saved
  add $EXCEPTION_FRAME, %rsp
  iretq
.endm
# The same after an interrupt, for which ring 0 may have waited: then it waits no more.
.macro resume_waiting
  pop_caller_saved
  add $EXCEPTION_FRAME, %rsp
  testb $PRIVILEGE, FRAME_CODE_SEGMENT(%rsp)
  jnz 1f
  movq $waited, FRAME_INSTRUCTION(%rsp)
1:iretq
.endm

.org vectors + ENTRY_CALL
.globl entry_call
cfi_interrupted rsp, 0
entry_call:                               # int $4: the CPU's frame is at the top of the stack, where UserFrame is
serve_call:                               # (the direction flag is whatever it was: what uses it clears it)
  cmp $CALLS, %rax
  jae unknown_call
  take_lock
  call *call_table(,%rax,8)
  give_lock
leave_unlocked:
  # Nothing of the kernel's or of another environment's leaks.
  clear_registers %ecx, %edx, %esi, %edi, %r8d, %r9d, %r10d, %r11d
  iretq
unknown_call:
  mov $-1, %rax
  jmp leave_unlocked
# A transfer leaves with the registers as they are: those that a call preserves are the message, rdx says where the
# callee goes on, and the gate page empties the others. Where it was refused, in the others is nothing that the books do
# not tell everybody.
.globl call_transfer, call_call, call_answer
call_transfer:
  movq $leave_transfer, (%rsp)
  jmp kernel_transfer
call_call:
  movq $leave_transfer, (%rsp)
  jmp kernel_call
call_answer:
  movq $leave_transfer, (%rsp)
  jmp kernel_answer
leave_transfer:
  give_lock
  iretq
.cfi_endproc

# SYSCALL: the CPU gives no stack and no frame; make the same one. Each processor has an entry of its own, so that it
# knows its stack. The stack segment at the very top is always the same, so it is written once, at boot; where an
# interrupt has left none, `mendReturn` says what happens.
.macro push_syscall_frame code_segment
  mov %rsp, STACKS + (processor + 1) * STACK_SIZE - STATE_SIZE - FRAME_SIZE + FRAME_STACK
  mov $(STACKS + (processor + 1) * STACK_SIZE - STATE_SIZE - FRAME_SIZE + FRAME_STACK), %rsp
  push %r11
  push $\code_segment
  push %rcx
.endm
.balign 64
.globl entry_syscall
entry_syscall:
.set processor, 0
.rept PROCESSORS
  .balign 64
  push_syscall_frame USER_CODE
  mov %r10, %rcx
  jmp serve_call
  .set processor, processor + 1
.endr

# A page fault at entry_syscall, from ring 3: a CPU whose SYSCALL does not change the privilege level. The registers are
# as SYSCALL leaves them.
.globl resume_as_syscall
resume_as_syscall:                        # rdi: TrapFrame, whose upper part is where UserFrame is
  mov %rdi, %rsp
  mov TRAP_RCX(%rsp), %rax
  mov %rax, TRAP_FRAME + FRAME_INSTRUCTION(%rsp)
  movq $USER_CODE, TRAP_FRAME + FRAME_CODE_SEGMENT(%rsp)
  mov TRAP_R11(%rsp), %rax
  and $FLAGS_USER_CHOICE, %eax            # r11 may be anybody's invention
  or $FLAGS_USER, %eax
  mov %rax, TRAP_FRAME + FRAME_FLAGS(%rsp)
  pop_caller_saved
  add $EXCEPTION_FRAME, %rsp
  mov %r10, %rcx
  cmpl $0, lock_is_off
  jne entry_call_alone
  jmp serve_call

# SYSCALL of 32-bit code, on processors that have it. Some KVMs arrive with the upper half of the address cut off, at
# the copy of the kernel's text that tables.S maps there: so every address here is absolute. Other processors raise #UD,
# and that is what is told. Which processor it is, its number says, for the stack pointer is the environment's.
.balign 64
.globl entry_syscall_32
entry_syscall_32:
.set processor, 0
.rept PROCESSORS
  .balign 64
  push_syscall_frame USER_CODE_32
  push $0
  push $VECTOR_INVALID_INSTRUCTION
  mov $entry_exception, %rax
  jmp *%rax
  .set processor, processor + 1
.endr

# Calls on a machine with one processor, where nobody else can be in the kernel: without the lock. SYSCALL enters at
# `entry_syscall_alone`, which falls through into `entry_call_alone`. `ring0_stop_locking` makes `int $4` enter at
# `entry_call_alone` directly.
.balign 64
.globl entry_syscall_alone
entry_syscall_alone:
.set processor, 0
  push_syscall_frame USER_CODE
  mov %r10, %rcx
.globl entry_call_alone
cfi_interrupted rsp, 0
entry_call_alone:
  cmp $CALLS, %rax
  jae unknown_call
  call *call_table(,%rax,8)
  clear_registers %ecx, %edx, %esi, %edi, %r8d, %r9d, %r10d, %r11d
  iretq
.cfi_endproc

# ---------------------------------------------------------------- faults, timer, devices: all registers come back
.org vectors + ENTRY_PAGE_FAULT
.globl entry_page_fault
entry_page_fault:                         # the usual upcall touches nothing that is shared, so it needs no lock
  push $VECTOR_PAGE_FAULT
  save_interrupted
  mov %rsp, %rdi
  cfi_saved
  call kernel_page_fault                  # Faults.swift
  .cfi_endproc
  resume_interrupted

# The end of a slice. The usual case is served here: 64-bit code of ring 3, outside the gate page's window, whose time
# is over; nothing else to do; somebody else has positions; the environment takes the upcall. It touches nothing that is
# shared, so it needs no lock. `kernel_timer` serves every other case by `sliceEnded` and `epilogue`
# (Core/CPU/SliceEnds.swift), which make the same checks one by one: change both. `TimerEntryTests` executes these
# instructions and `sliceEnded` on the same states.
.set FROM_RING_3, 40 + 24               # from the stack pointer to ProcessorState: FRAME_SIZE and three pushes
.set pushed, 3 * 8
.org vectors + ENTRY_TIMER
.globl entry_timer
entry_timer:
  push %rax
  push %rcx
  push %rdx
  mov $MSR_END_OF_INTERRUPT, %ecx
  xor %eax, %eax
  xor %edx, %edx
  wrmsr
  cmpl $USER_CODE, pushed + FRAME_CODE_SEGMENT(%rsp)
  jne unusual_timer
  cmpl $(GATE_PAGE >> 32), pushed + FRAME_INSTRUCTION + 4(%rsp)
  je timer_in_gate_page
timer_outside:
  rdtsc
  shl $32, %rdx
  or %rdx, %rax
  cmp FROM_RING_3 + STATE_TIMER(%rsp), %rax
  jb unusual_timer
  cmpq $0, private_state + PRIVATE_NEEDS_CHORES
  jne unusual_timer
  cmpq $0, FROM_RING_3 + STATE_PENDING(%rsp)  # epiloguePending, overrun, isAlone: all zero
  jne unusual_timer
  mov FROM_RING_3 + STATE_RECORD(%rsp), %rdx
  mov RECORD_PAGE(%rdx), %ecx
  mov RECORD_EPILOGUE(%rdx), %rdx
  test %rdx, %rdx
  jz unusual_timer
  shl $12, %rcx
  or direct_map, %rcx
  cmpq $0, PAGE_FAULT_PENDING(%rcx)       # faultPending and criticalSection
  jne unusual_timer
  movl $1, FROM_RING_3 + STATE_PENDING(%rsp)  # epiloguePending = 1, overrun = 0
  add books + BOOKS_SLICE_LENGTH, %rax
  mov %rax, FROM_RING_3 + STATE_TIMER(%rsp)
  push pushed + FRAME_INSTRUCTION(%rsp)
  pop PAGE_EPILOGUE_RETURN(%rcx)
  mov %rdx, pushed + FRAME_INSTRUCTION(%rsp)
  mov %rax, %rdx
  shr $32, %rdx
  mov $MSR_TIME_STAMP_DEADLINE, %ecx
  wrmsr
  pop %rdx
  pop %rcx
  pop %rax
  iretq
timer_in_gate_page:                       # its upper half is that of no other code
  mov pushed + FRAME_INSTRUCTION(%rsp), %ecx
  sub $GATE_WINDOW, %ecx
  cmp $GATE_WINDOW_SIZE, %ecx
  jae timer_outside
unusual_timer:
  pop %rdx
  pop %rcx
  pop %rax
  push $0
  push $VECTOR_TIMER
  save_interrupted
  mov %rsp, %rdi
  cfi_saved
  call kernel_timer                       # Interrupts.swift
  .cfi_endproc
  resume_waiting

.balign 64
.globl entry_device
entry_device:
  save_interrupted
  mov %rsp, %rdi
  take_lock_if_shared
  cfi_saved
  call kernel_device_interrupt            # Interrupts.swift
  .cfi_endproc
  give_lock
  resume_waiting

# Another processor wants something of this one. It may hold the lock and wait for us, so this is no place to wait for
# the lock.
.balign 64
.globl entry_processor_interrupt
entry_processor_interrupt:
  push $0
  push $VECTOR_PROCESSOR
  save_interrupted
  mov %rsp, %rdi
  cfi_saved
  call kernel_processor_interrupt         # Interrupts.swift
  .cfi_endproc
  resume_waiting

# An exception whose own delivery failed arrives on the emergency stack. Where it is ring 3's, which may have no page
# for the stack of its exceptions, the processor's own stack is empty: there the kernel knows which processor it is.
entry_double_fault:
  testb $PRIVILEGE, 8 + FRAME_CODE_SEGMENT(%rsp)  # behind the error code
  jz 1f
  mov %rsp, %rsi
  mov %rsp, %rcx
  sub $emergency_stacks, %rcx
  shr $12, %rcx
  inc %ecx
  shl $14, %rcx                           # * STACK_SIZE
  lea STACKS - STATE_SIZE(%rcx), %rsp
  .set word, 8 + FRAME_STACK_SEGMENT
  .rept 6                                 # the processor's frame, and the error code below it
    push word(%rsi)
    .set word, word - 8
  .endr
1:push $VECTOR_DOUBLE_FAULT
  jmp entry_exception

.globl entry_exception
entry_exception:
  save_interrupted
  push_callee_saved
  lea 48(%rsp), %rdi
  mov %rsp, %rsi
  cfi_interrupted rsp, 136
  cfi_caller_saved 24
  call kernel_exception                   # Faults.swift
  .cfi_endproc
  pop_callee_saved
  resume_interrupted

.section .rodata, "a", @progbits
.balign 8
direct_map: .quad DIRECT_MAP
