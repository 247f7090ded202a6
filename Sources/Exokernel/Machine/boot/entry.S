# Every way into ring 0, and the two ways out. Interrupts are off in the kernel; there is one stack.
.set KERNEL_BASE, 0xffffffff80000000
.set CALLS, 20

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
  mov $(boot_root - KERNEL_BASE), %eax
  mov %eax, %cr3
  mov $0x620, %eax                        # PAE, OSFXSR, OSXMMEXCPT: ring 3 may use SSE
  mov %eax, %cr4
  mov $0xc0000080, %ecx                   # EFER: SCE, LME, NXE
  mov $0x901, %eax
  xor %edx, %edx
  wrmsr
  lgdt descriptor_table_pointer_physical - KERNEL_BASE
  mov $0x80010023, %eax                   # PG, WP, NE, MP, PE
  mov %eax, %cr0
  ljmp $0x10, $(long_mode - KERNEL_BASE)
.code64
long_mode:
  mov $high_half, %rax
  jmp *%rax
high_half:
  lgdt descriptor_table_pointer(%rip)
  lidt interrupt_table_pointer(%rip)
  mov $0x18, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $0x40, %eax
  ltr %ax
  mov $emergency_stack_top, %rsp          # not the kernel's stack: the probe's fault arrives at its top
  mov %ebx, %edi
  call kernel_main
  ud2

# ---------------------------------------------------------------- interrupt vectors, 16 bytes each
.section .vectors, "ax", @progbits
.globl vectors
vectors:
.set vector, 0
.rept 256
  .balign 16, 0xcc
  .if vector == 4
    jmp entry_call
  .elseif vector == 14
    jmp entry_page_fault
  .elseif vector == 0xe0
    jmp entry_timer
  .elseif vector == 0xff
    iretq                                 # spurious
  .elseif vector >= 0x20
    push $0
    push $vector
    jmp entry_device
  .elseif vector == 8 || (vector >= 10 && vector <= 13) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    push $vector
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
.section .text.entry, "ax", @progbits
.macro clear_caller_saved_registers       # but rax and rcx: nothing of the kernel's or of another environment's leaks
  xor %edx, %edx
  xor %esi, %esi
  xor %edi, %edi
  xor %r8d, %r8d
  xor %r9d, %r9d
  xor %r10d, %r10d
  xor %r11d, %r11d
.endm

.balign 64
.globl entry_call
entry_call:                               # int $4: the CPU's frame is at the top of the stack, where UserFrame is
  cmp $CALLS, %rax
  jae unknown_call
  cld
  call *call_table(,%rax,8)
leave_call:
  xor %ecx, %ecx
  clear_caller_saved_registers
.globl leave_call_return
leave_call_return:
  iretq
unknown_call:
  mov $-1, %rax
  jmp leave_call

.balign 64
.globl entry_syscall
entry_syscall:                            # SYSCALL: the CPU gives no stack and no frame; make the same one
  mov %rsp, user_stack_pointer(%rip)
  mov $kernel_stack_top, %rsp
  push $0x2b
  push user_stack_pointer(%rip)
  push %r11
  push $0x33
  push %rcx
  mov %r10, %rcx
  cmp $CALLS, %rax
  jae unknown_call
  call *call_table(,%rax,8)
  jmp leave_call

# A page fault at entry_syscall, from ring 3: a CPU whose SYSCALL does not change the privilege level. The registers are as SYSCALL leaves them.
.globl resume_as_syscall
resume_as_syscall:                        # rdi: TrapFrame
  mov 8*8(%rdi), %rax
  mov 0*8(%rdi), %r11
  mov 1*8(%rdi), %r10
  mov 2*8(%rdi), %r9
  mov 3*8(%rdi), %r8
  mov 5*8(%rdi), %rsi
  mov 6*8(%rdi), %rdx
  mov 7*8(%rdi), %rcx
  mov 14*8(%rdi), %rsp
  mov 4*8(%rdi), %rdi
  and $0x240ad5, %r11                     # r11 may be anybody's invention: no I/O privilege, trap flag, nested task, virtual interrupts
  or $0x202, %r11
  jmp entry_syscall

# SYSCALL of 32-bit code, on processors that have it. Some KVMs arrive with the upper half of the address cut off, at the copy of the kernel's
# text that tables.S maps there: so every address here is absolute. Other processors raise #UD, and that is what is told.
.balign 64
.globl entry_syscall_32
entry_syscall_32:
  mov %rsp, user_stack_pointer
  mov $kernel_stack_top, %rsp
  push $0x2b
  push user_stack_pointer
  push %r11
  push $0x23
  push %rcx
  push $0
  push $6
  mov $entry_exception, %rax
  jmp *%rax

# ---------------------------------------------------------------- faults, timer, devices: everything the environment had comes back
.macro save_caller_saved
  push %rax
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  cld
.endm
.macro restore_caller_saved
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rax
.endm

.balign 64
.globl entry_page_fault
entry_page_fault:
  push $14
  save_caller_saved
  mov %rsp, %rdi
  call kernel_page_fault
  restore_caller_saved
  add $16, %rsp
  iretq

.balign 64
.globl entry_timer
entry_timer:
  push $0
  push $0xe0
  save_caller_saved
  mov %rsp, %rdi
  call kernel_timer
  restore_caller_saved
  add $16, %rsp
  iretq

.balign 64
.globl entry_device
entry_device:
  save_caller_saved
  mov %rsp, %rdi
  call kernel_device_interrupt
  restore_caller_saved
  add $16, %rsp
  iretq

.globl entry_exception
entry_exception:
  save_caller_saved
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  lea 48(%rsp), %rdi
  mov %rsp, %rsi
  call kernel_exception
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  restore_caller_saved
  add $16, %rsp
  iretq

# ---------------------------------------------------------------- out: into an environment that called to be here
# By way of the gate page, whose instructions empty the SSE and x87 registers in ring 3: what is in them is another environment's.
.globl machine_resume
machine_resume:                           # rdi: instruction pointer, rsi: stack pointer
  mov $kernel_stack_top, %rsp
  push $0x2b
  push %rsi
  push $0x202
  push $0x33
  mov $0x7f00000000c0, %rax               # gate page + 192
  push %rax
  mov %rdi, %rcx
  xor %eax, %eax
  xor %ebx, %ebx
  xor %ebp, %ebp
  xor %r12d, %r12d
  xor %r13d, %r13d
  xor %r14d, %r14d
  xor %r15d, %r15d
  clear_caller_saved_registers
  iretq

# ---------------------------------------------------------------- which instruction enters the kernel here?
# machine_probe_entry() -> 0 SYSCALL, 1 int $4: executes SYSCALL once in ring 3 and sees where it arrives.
.globl machine_probe_entry
machine_probe_entry:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, probe_stack(%rip)
  push $0x2b
  push $0
  push $0x002
  push $0x33
  mov $0x7f0000000080, %rax               # gate page + 128
  push %rax
  iretq
.globl probe_syscall_arrived
probe_syscall_arrived:
  xor %edi, %edi
.globl machine_probe_done
machine_probe_done:                       # edi: the answer
  mov probe_stack(%rip), %rsp
  mov %edi, %eax
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

# memcpy and friends, for what the compiler emits on its own. Eight bytes at a time: where ring 0 is emulated, each turn of a string
# instruction costs as much as an instruction.
.globl memcpy
.globl memmove
.globl memset
memcpy:
  mov %rdi, %rax
forwards:
  mov %rdx, %rcx
  shr $3, %rcx
  rep movsq
  mov %edx, %ecx
  and $7, %ecx
  rep movsb
  ret
memmove:
  mov %rdi, %rax
  cmp %rsi, %rdi
  jbe forwards
  mov %rdx, %rcx
  lea -1(%rdi,%rdx), %rdi
  lea -1(%rsi,%rdx), %rsi
  std
  rep movsb
  cld
  ret
memset:
  mov %rdi, %r9
  movzbl %sil, %eax
  movabs $0x0101010101010101, %rcx
  imul %rcx, %rax
  mov %rdx, %rcx
  shr $3, %rcx
  rep stosq
  mov %edx, %ecx
  and $7, %ecx
  rep stosb
  mov %r9, %rax
  ret

.section .rodata, "a", @progbits
.balign 8
call_table:
  .quad call_null, call_exit, call_yield, call_sleep, call_console_write
  .quad call_upcall_bind, call_fault_decline
  .quad call_frame_allocate, call_frame_free, call_frame_map, call_frame_unmap, call_table_install, call_frames_allocate_mapped
  .quad call_extent_bind, call_block_submit
  .quad call_filter_bind, call_filter_unbind, call_packet_send
  .quad call_slice_allocate, call_slice_free

.bss
.balign 8
user_stack_pointer: .skip 8
probe_stack: .skip 8
