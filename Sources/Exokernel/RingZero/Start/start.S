# How processors come to the kernel: the first by PVH, the others by a startup interrupt.
#include "layout.inc"
#include "x86.inc"

# 32-bit code, paging off: what precedes the far jump to 64-bit code. Clobbers eax, ecx, edx.
.macro enable_long_mode
  mov $(boot_root - KERNEL_BASE), %eax
  mov %eax, %cr3
  mov $0x620, %eax                        # PAE, OSFXSR, OSXMMEXCPT: ring 3 may use SSE
  mov %eax, %cr4
  mov $MSR_EXTENDED_FEATURES, %ecx        # SCE, LME, NXE
  mov $0x901, %eax
  xor %edx, %edx
  wrmsr
  mov $0x80050023, %eax                   # PG, AM, WP, NE, MP, PE
  mov %eax, %cr0
.endm
# 64-bit code at the kernel's own addresses: tables and segments. Clobbers eax.
.macro load_tables
  lgdt descriptor_table_pointer(%rip)
  lidt interrupt_table_pointer(%rip)
  mov $KERNEL_DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
.endm

# ---------------------------------------------------------------- PVH: 32-bit protected mode, start_info in ebx
.section .note.pvh, "a", @note
.balign 4
  .long 4, 8, 18                          # XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .quad pvh_entry - KERNEL_BASE

.section .text.entry, "ax", @progbits
.code32
.globl pvh_entry
pvh_entry:
  cld
  lgdt descriptor_table_pointer_physical - KERNEL_BASE
  enable_long_mode
  ljmp $KERNEL_CODE, $(long_mode - KERNEL_BASE)
.code64
long_mode:
  mov $high_half, %rax
  jmp *%rax
high_half:
  load_tables
  mov $0x40, %eax
  ltr %ax
  # Below the place where the probe's fault arrives.
  mov $(STACKS + STACK_SIZE - 4096), %rsp
  mov %ebx, %edi
  call kernel_main
  ud2

# ---------------------------------------------------------------- another processor: real mode, copied to `TRAMPOLINE`
.balign 16
.globl trampoline_start
trampoline_start:
.code16
  cli
  cld
  mov %cs, %ax
  mov %ax, %ds
  lgdtl trampoline_pointer - trampoline_start
  mov $0x23, %eax                         # NE, MP, PE
  mov %eax, %cr0
  ljmpl $8, $(TRAMPOLINE + trampoline_protected - trampoline_start)
.code32
trampoline_protected:
  mov $KERNEL_DATA, %eax
  mov %eax, %ds
  mov %eax, %ss
  enable_long_mode
  ljmp $KERNEL_CODE, $(processor_start - KERNEL_BASE)
.balign 8
trampoline_pointer:
  .word 0x7f
  .long descriptor_table - KERNEL_BASE
.globl trampoline_end
trampoline_end:
.code64
processor_start:
  mov $processor_high_half, %rax
  jmp *%rax
processor_high_half:
  load_tables
  mov starting_processor(%rip), %edi
  mov %edi, %eax
  shl $4, %eax
  add $0x40, %eax
  ltr %ax
  lea 1(%rdi), %rsp
  shl $14, %rsp                           # * STACK_SIZE
  add $(STACKS - 4096), %rsp
  call kernel_processor_main
  ud2

.bss
.balign 8
.globl starting_processor
starting_processor: .skip 8
