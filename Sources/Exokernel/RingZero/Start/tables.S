# Page tables, descriptor tables and stacks, made at link time. The boot only fills the frame table's directories and
# changes three entries: gate page, vector 4, identity map.
#include "abi.inc"
#include "layout.inc"
#include "x86.inc"

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
  .quad 0                                                             # 509: environments' kernelRecursiveSlot
  .quad 0
  .quad kernel_pointers - KERNEL_BASE + (PRESENT | WRITE)             # 511: kernel image
identity_pointers:                                                    # until the jump to the kernel's own addresses
  .quad identity_directory - KERNEL_BASE + (PRESENT | WRITE)
  .quad 0
  .quad truncated_directory - KERNEL_BASE + (PRESENT | WRITE)         # 2 GiB: for entry_syscall_32
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
  .rept BOOKS_SIZE / 4096
    .quad books - KERNEL_BASE + index * 4096 + (PRESENT | USER) + NX
    .set index, index + 1
  .endr
  .fill 511 - BOOKS_SIZE / 4096, 8, 0
.globl frame_table_directory
frame_table_directory:
  .fill 512, 8, 0

.globl kernel_frame_table_directory
kernel_frame_table_directory:
  .fill 512, 8, 0

# ---------------------------------------------------------------- descriptor tables
.balign 4096
.globl interrupt_table
interrupt_table:
  .set vector, 0
  .rept 256
    .if vector == VECTOR_DIVISION_ERROR || vector == VECTOR_BREAKPOINT || vector == VECTOR_FLOATING_POINT || \
      vector == VECTOR_ALIGNMENT || vector == VECTOR_VECTOR_FLOATING_POINT
    # Straight to ring 3, by trap gates, for an interrupt gate would leave ring 3 with interrupts off; on a stack that
    # is named in the task state, for the processor pushes with the kernel's rights, wherever ring 3 has pointed its own
    # stack pointer to.
    .word EXCEPTION_STUBS + vector * 16
    .word USER_CODE
    .byte 2
    .byte 0xef
    .word 0
    .long GATE_PAGE >> 32
    .long 0
    .else
    .if vector == VECTOR_CALL                                           # see entries.S
      .word ENTRY_CALL
    .elseif vector == VECTOR_PAGE_FAULT
      .word ENTRY_PAGE_FAULT
    .elseif vector == VECTOR_TIMER
      .word ENTRY_TIMER
    .else
      .word (vector * 16) & 0xffff
    .endif
    .word KERNEL_CODE
    .if vector == VECTOR_NON_MASKABLE || vector == VECTOR_DOUBLE_FAULT || vector == VECTOR_MACHINE_CHECK
      .byte 1                                                         # own stack
    .else
      .byte 0
    .endif
    .if vector == VECTOR_CALL
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

# The selectors are those of Linux, which some KVMs insist on: kernel 0x10 0x18, user32 0x23, user data 0x2b, user code
# 0x33.
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
  # 0x40 and so on, task states: their bases are constants because kernel.ld puts .tables at `DATA` and this file lays
  # it out.
  .set task_state, DATA + (task_states - boot_root)
  .set processor, 0
  .rept PROCESSORS
    .word 0x67
    .word (task_state + processor * 128) & 0xffff
    .byte ((task_state + processor * 128) >> 16) & 0xff
    .byte 0x89
    .byte 0
    .byte ((task_state + processor * 128) >> 24) & 0xff
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
    .quad STACKS + (processor + 1) * STACK_SIZE - STATE_SIZE          # RSP0
    .quad 0, 0, 0
    .quad emergency_stacks + (processor + 1) * 4096                   # IST1
    # IST2: in the environment page, for exceptions of ring 3.
    .quad ENVIRONMENT_PAGE + PAGE_EXCEPTION_STACK_END + processor * PAGE_EXCEPTION_STACK_SIZE
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
  .skip BOOKS_SIZE
stacks:
  .skip PROCESSORS * 0x3000
.globl emergency_stacks
emergency_stacks:
  .skip PROCESSORS * 4096
.globl private_state
.balign 4096
private_state:
  .skip PRIVATE_SIZE
.globl receive_buffers
.balign 4096
receive_buffers:
  .skip RECEIVE_BUFFERS
