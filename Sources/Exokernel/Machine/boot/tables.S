# Page tables, descriptor tables and stacks, all made at link time: ring 0 executes nothing to build them.
.set KERNEL_BASE, 0xffffffff80000000
.set VECTORS, 0xffffffff80200000        # kernel.ld puts the vectors first
.set PRESENT, 1
.set WRITE, 2
.set USER, 4
.set LARGE, 0x80
.set NX, 1 << 63
.set PROCESSORS, 4
.set STACKS, 0xffffffff80800000         # 16 KiB each; the last 128 bytes are the processor's state

# ---------------------------------------------------------------- page tables
.section .tables, "aw", @progbits
.balign 4096
.globl boot_root
boot_root:
  .quad identity_pointers - KERNEL_BASE + (PRESENT | WRITE)
  .fill 253, 8, 0
  .quad exposed_pointers - KERNEL_BASE + (PRESENT | WRITE | USER)     # 254: gate page, books, frame table
  .quad 0
  .quad direct_pointers - KERNEL_BASE + (PRESENT | WRITE)             # 256: direct map
  .fill 252, 8, 0
  .quad 0                                                             # 509: in environments' tables, the recursive entry of the kernel's
  .quad 0
  .quad kernel_pointers - KERNEL_BASE + (PRESENT | WRITE)             # 511: kernel image
identity_pointers:                                                    # only until the jump to the kernel's own addresses
  .quad identity_directory - KERNEL_BASE + (PRESENT | WRITE)
  .quad 0
  .quad truncated_directory - KERNEL_BASE + (PRESENT | WRITE)         # 2 GiB: every environment gets this entry, see entry_syscall_32
  .fill 509, 8, 0
.globl identity_directory
identity_directory:
  .quad PRESENT | LARGE                                               # the trampoline's; gone when all processors run
  .quad 0x200000 | PRESENT | LARGE
  .quad 0x400000 + (PRESENT | WRITE | LARGE | NX)                     # the descriptor table
  .fill 509, 8, 0
truncated_directory:
  .quad 0
  .quad truncated_table - KERNEL_BASE + (PRESENT | WRITE)
  .fill 510, 8, 0
truncated_table:
  .set index, 0
  .rept 512
    .quad (0x200000 + index * 4096) | PRESENT
    .set index, index + 1
  .endr
kernel_pointers:
  .fill 509, 8, 0
  .quad kernel_frame_table_directory - KERNEL_BASE + (PRESENT | WRITE)   # the frame table, writable
  .quad kernel_directory - KERNEL_BASE + (PRESENT | WRITE)
  .quad 0
kernel_directory:
  .quad 0
  .quad 0x200000 | PRESENT | LARGE                                    # text and constants
  .quad 0x400000 + (PRESENT | WRITE | LARGE | NX)                     # data
  .quad 0x600000 + (PRESENT | WRITE | LARGE | NX)
  .quad stack_table - KERNEL_BASE + (PRESENT | WRITE)                 # stacks, each with an unmapped page below
  .fill 507, 8, 0
stack_table:
  .set processor, 0
  .rept PROCESSORS
    .quad 0
    .set page, 0
    .rept 3
      .quad stacks - KERNEL_BASE + processor * 0x3000 + page * 4096 + (PRESENT | WRITE) + NX
      .set page, page + 1
    .endr
    .set processor, processor + 1
  .endr
  .fill 512 - 4 * PROCESSORS, 8, 0
direct_pointers:
  .set index, 0
  .rept 4
    .quad direct_directories - KERNEL_BASE + index * 4096 + (PRESENT | WRITE)
    .set index, index + 1
  .endr
  .fill 508, 8, 0
direct_directories:
  .set index, 0
  .rept 2048
    .quad (index * 0x200000) + (PRESENT | WRITE | LARGE | NX)
    .set index, index + 1
  .endr

# What every environment sees: read-only at the leaves.
exposed_pointers:
  .quad exposed_directory - KERNEL_BASE + (PRESENT | WRITE | USER)
  .quad frame_table_directory - KERNEL_BASE + (PRESENT | WRITE | USER)
  .fill 510, 8, 0
exposed_directory:
  .quad exposed_table - KERNEL_BASE + (PRESENT | WRITE | USER)
  .fill 511, 8, 0
.globl exposed_table
exposed_table:
  .quad gate_interrupt - KERNEL_BASE + (PRESENT | USER)
  .set index, 0
  .rept 13
    .quad books - KERNEL_BASE + index * 4096 + (PRESENT | USER) + NX
    .set index, index + 1
  .endr
  .fill 498, 8, 0
.globl frame_table_directory
frame_table_directory:
  .fill 512, 8, 0

.globl kernel_frame_table_directory
kernel_frame_table_directory:
  .fill 512, 8, 0

# ---------------------------------------------------------------- gate pages: the ways into the kernel
.macro preserving_gate target
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  call \target
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  ret
.endm
# How an environment goes on that gave the processor up: rcx says where, rdx where it would have gone on. The registers are still the
# kernel's and another environment's, so no upcall comes between: the kernel puts the end of a slice off while the instruction pointer is
# in this part of the page (`AddressMap.gateWindow`). x87 and SSE as after FNINIT, all exceptions masked; where ring 3 has AVX, or AVX-512,
# their registers are emptied as well.
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
  xor %eax, %eax
  xor %ebx, %ebx
  xor %ebp, %ebp
  xor %esi, %esi
  xor %edi, %edi
  xor %r8d, %r8d
  xor %r9d, %r9d
  xor %r10d, %r10d
  xor %r11d, %r11d
  xor %r12d, %r12d
  xor %r13d, %r13d
  xor %r14d, %r14d
  xor %r15d, %r15d
  jmp *%rcx
.endm
.macro resuming_gate_state
  .balign 64, 0xcc
10:
  .short 0x37f                                                        # x87 control word
  .fill 22, 1, 0
  .long 0x1f80                                                        # MXCSR
  .fill 484 + 64, 1, 0                                                # and, for XRSTOR, a header that says: nothing but first values
.endm
# Exceptions that come here from ring 3 without the kernel, on a small stack inside the environment page, one for each processor. They go on
# at the entry that the libOS has put into the page, on the stack that they interrupted, below its red zone. There: `ExceptionFrame`, made of
# vector, error code, and the processor's frame. Exceptions that only the kernel can take join them behind the stubs
# (`AddressMap.exceptionGate`), with the same frame in the same place.
.set EXCEPTION_ENTRY, 0x5ff098
.set EXCEPTION_DECLINE, 10
.set EXCEPTION_STUBS, 256
.set EXCEPTION_GATE, 576
.macro exception_gates gate
  .set vector, 0
  .rept 20
    .org \gate + EXCEPTION_STUBS + vector * 16, 0xcc
    .if vector != 17
      push $0
    .endif
    push $vector
    jmp 20f
    .set vector, vector + 1
  .endr
  .org \gate + EXCEPTION_GATE, 0xcc
20:
  push %rax
  push %rcx
  mov $0x2b, %ecx                                                     # some processors have emptied it, see `mendReturn`
  mov %ecx, %ss
  mov %rsp, %rax
  cmpq $0, EXCEPTION_ENTRY
  je 21f
  mov 56(%rax), %rsp
  lea -128(%rsp), %rsp
  and $-16, %rsp
  push 64(%rax)
  push 56(%rax)
  push 48(%rax)
  push 40(%rax)
  push 32(%rax)
  push 24(%rax)
  push 16(%rax)
  mov (%rax), %rcx
  mov 8(%rax), %rax
  jmp *EXCEPTION_ENTRY
21:
  mov 16(%rax), %rdi
  mov 32(%rax), %rsi
  mov 24(%rax), %rdx
  mov $EXCEPTION_DECLINE, %eax
  jmp \gate
.endm
# What the boot runs once in ring 3, in the first page: SYSCALL, to see where it arrives; and a look at what is switched on for ring 3 besides
# SSE, which is not what the kernel would see where ring 0 is emulated. The exception that follows brings eax.
.macro probes
  syscall
  ud2
  .org gate_interrupt + 144, 0xcc
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
  .if \enters_by_syscall
  mov %rcx, %r10
  syscall
  .else
  int $4
  .endif
  ret
  .org \name + 64, 0xcc
  preserving_gate \name
  .org \name + 128, 0xcc
  .ifc \name, gate_interrupt
  probes
  .endif
  .org \name + 192, 0xcc
  resuming_gate \has_avx
  exception_gates \name
  .org \name + 1024, 0xcc
  resuming_gate_state
.endm
# In this order: the boot chooses one by its number.
gate_page gate_interrupt, 0, 0
gate_page gate_interrupt_avx, 0, 1
gate_page gate_syscall, 1, 0
gate_page gate_syscall_avx, 1, 1
.balign 4096, 0xcc

# ---------------------------------------------------------------- descriptor tables
.balign 4096
.globl interrupt_table
interrupt_table:
  .set vector, 0
  .rept 256
    .if vector == 0 || vector == 3 || vector == 16 || vector == 17 || vector == 19
    # Straight to ring 3, by trap gates, for an interrupt gate would leave ring 3 with interrupts off; on a stack that is named in the task
    # state, for the processor pushes with the kernel's rights, wherever ring 3 has pointed its own stack pointer to.
    .word EXCEPTION_STUBS + vector * 16
    .word 0x33
    .byte 2
    .byte 0xef
    .word 0
    .long 0x7f00
    .long 0
    .else
    .if vector == 4                                                     # see entry.S
      .word 0x1000
    .elseif vector == 14
      .word 0x1600
    .elseif vector == 0xe0
      .word 0x1700
    .else
      .word (vector * 16) & 0xffff
    .endif
    .word 0x10
    .if vector == 2 || vector == 8 || vector == 18
      .byte 1                                                         # NMI, double fault, machine check: own stack
    .else
      .byte 0
    .endif
    .if vector == 4
      .byte 0xee
    .else
      .byte 0x8e
    .endif
    .word 0x8020
    .long 0xffffffff
    .long 0
    .endif
    .set vector, vector + 1
  .endr

# The selectors are those of Linux, which some KVMs insist on: kernel 0x10 0x18, user32 0x23, user data 0x2b, user code 0x33.
.balign 16
.globl descriptor_table
descriptor_table:
  .quad 0
  .quad 0x00cf9b000000ffff              # 0x08 32-bit code, for the PVH entry
  .quad 0x00af9b000000ffff              # 0x10 kernel code
  .quad 0x00cf93000000ffff              # 0x18 kernel data
  .quad 0x00cffb000000ffff              # 0x20 user 32-bit code
  .quad 0x00cff3000000ffff              # 0x28 user data
  .quad 0x00affb000000ffff              # 0x30 user code
  .quad 0
  # 0x40 and so on, task states: their bases are constants because kernel.ld puts .tables first and this file lays it out.
  .set TASK_STATE, 0xffffffff80400000 + (task_states - boot_root)
  .set processor, 0
  .rept PROCESSORS
    .word 0x67
    .word (TASK_STATE + processor * 128) & 0xffff
    .byte ((TASK_STATE + processor * 128) >> 16) & 0xff
    .byte 0x89
    .byte 0
    .byte ((TASK_STATE + processor * 128) >> 24) & 0xff
    .long 0xffffffff
    .long 0
    .set processor, processor + 1
  .endr
descriptor_table_end:
.balign 128
task_states:
  .set processor, 0
  .rept PROCESSORS
    .long 0
    .quad STACKS + (processor + 1) * 0x4000 - 128                     # RSP0
    .quad 0, 0, 0
    .quad emergency_stacks + (processor + 1) * 4096                   # IST1
    .quad 0x5ff680 + processor * 128                                  # IST2: in the environment page, for exceptions of ring 3
    .quad 0, 0, 0, 0, 0, 0
    .word 0
    .word 0x68                          # I/O map past the limit: ring 3 may touch no port
    .balign 128
    .set processor, processor + 1
  .endr
.balign 16
.globl descriptor_table_pointer
descriptor_table_pointer:
  .word descriptor_table_end - descriptor_table - 1
  .quad descriptor_table
.balign 16
.globl descriptor_table_pointer_physical
descriptor_table_pointer_physical:
  .word descriptor_table_end - descriptor_table - 1
  .long descriptor_table - KERNEL_BASE
.balign 16
.globl interrupt_table_pointer
interrupt_table_pointer:
  .word 4095
  .quad interrupt_table

# ---------------------------------------------------------------- memory that arrives zeroed
.section .bss.pages, "aw", @nobits
.balign 4096
.globl books
books:
  .skip 0xd000
stacks:
  .skip PROCESSORS * 0x3000
.globl emergency_stacks
emergency_stacks:
  .skip PROCESSORS * 4096
.globl private_state
.balign 4096
private_state:
  .skip 0x1f000
.globl receive_buffers
.balign 4096
receive_buffers:
  .skip 2 * 64 * 2048
