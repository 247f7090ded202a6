# Page tables, descriptor tables and stacks, all made at link time: ring 0 executes nothing to build them.
.set KERNEL_BASE, 0xffffffff80000000
.set VECTORS, 0xffffffff80200000        # kernel.ld puts the vectors first
.set PRESENT, 1
.set WRITE, 2
.set USER, 4
.set LARGE, 0x80
.set NX, 1 << 63

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
  .fill 254, 8, 0
  .quad kernel_pointers - KERNEL_BASE + (PRESENT | WRITE)             # 511: kernel image
identity_pointers:                                                    # only until the jump to the kernel's own addresses
  .quad kernel_directory - KERNEL_BASE + (PRESENT | WRITE)
  .quad 0
  .quad truncated_directory - KERNEL_BASE + (PRESENT | WRITE)         # 2 GiB: every environment gets this entry, see entry_syscall_32
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
  .fill 508, 8, 0
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
  .rept 6
    .quad books - KERNEL_BASE + index * 4096 + (PRESENT | USER) + NX
    .set index, index + 1
  .endr
  .fill 505, 8, 0
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
# How an environment goes on that gave the processor up: rcx says where. Empty registers, all exceptions masked, as after FNINIT.
.macro resuming_gate
  fxrstor64 10f(%rip)
  jmp *%rcx
  .balign 16, 0xcc
10:
  .short 0x37f                                                        # x87 control word
  .fill 22, 1, 0
  .long 0x1f80                                                        # MXCSR
  .fill 484, 1, 0
.endm
.balign 4096
.globl gate_interrupt
gate_interrupt:
  int $4
  ret
  .org gate_interrupt + 64, 0xcc
  preserving_gate gate_interrupt
  .org gate_interrupt + 128, 0xcc
  syscall                                                             # the probe runs this once, at boot
  ud2
  .org gate_interrupt + 192, 0xcc
  resuming_gate
.balign 4096, 0xcc
.globl gate_syscall
gate_syscall:
  mov %rcx, %r10
  syscall
  ret
  .org gate_syscall + 64, 0xcc
  preserving_gate gate_syscall
  .org gate_syscall + 192, 0xcc
  resuming_gate
.balign 4096, 0xcc

# ---------------------------------------------------------------- descriptor tables
.balign 4096
.globl interrupt_table
interrupt_table:
  .set vector, 0
  .rept 256
    .word (vector * 16) & 0xffff
    .word 0x10
    .if vector == 2 || vector == 8 || vector == 18
      .byte 1                                                         # NMI, double fault, machine check: own stack
    .else
      .byte 0
    .endif
    .if vector == 3 || vector == 4
      .byte 0xee
    .else
      .byte 0x8e
    .endif
    .word 0x8020
    .long 0xffffffff
    .long 0
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
  # 0x40 task state: its base is a constant because kernel.ld puts .tables first and this file lays it out.
  .set TASK_STATE, 0xffffffff80400000 + (task_state - boot_root)
  .word 0x67
  .word TASK_STATE & 0xffff
  .byte (TASK_STATE >> 16) & 0xff
  .byte 0x89
  .byte 0
  .byte (TASK_STATE >> 24) & 0xff
  .long 0xffffffff
  .long 0
descriptor_table_end:
.balign 16
task_state:
  .long 0
  .quad kernel_stack_top                # RSP0
  .quad 0, 0, 0
  .quad emergency_stack_top             # IST1
  .quad 0, 0, 0, 0, 0, 0, 0
  .word 0
  .word 0x68                            # I/O map past the limit: ring 3 may touch no port
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
  .skip 0x6000
  .skip 16384
.globl kernel_stack_top
kernel_stack_top:
  .skip 16384
.globl emergency_stack_top
emergency_stack_top:
.globl private_state
.balign 4096
private_state:
  .skip 65536
.globl receive_buffers
receive_buffers:
  .skip 2 * 64 * 2048
