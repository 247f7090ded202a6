# Every way into ring 0, and the two ways out. Interrupts are off in the kernel; there is one stack for each processor, and one lock.
.set KERNEL_BASE, 0xffffffff80000000
.set CALLS, 55
.set PROCESSORS, 4
.set STACKS, 0xffffffff80800000         # see tables.S
.set STATE, 128                         # ProcessorState.size
# Where fields are that are used here; `LayoutTests` compares these numbers with Swift's.
.set FROM_RING_3, 40 + 24               # from the stack pointer to ProcessorState, after an interrupt of ring 3 and three pushes
.set STATE_RECORD, 8                    # ProcessorState
.set FLUSH, 64
.set STATE_TIMER, 72
.set STATE_PENDING, 88                  # with the overrun and `isAlone` behind it
.set STATE_TOLD, 96
.set PRIVATE_ATTENTION, 72              # PrivateState
.set RECORD_PAGE, 20                    # EnvironmentRecord
.set RECORD_EPILOGUE, 72
.set PAGE_EPILOGUE_RETURN, 8            # EnvironmentPage
.set PAGE_FAULT_PENDING, 40             # with the critical section behind it
.set BOOKS_SLICE_LENGTH, 48             # BooksHeader

# The kernel's lock is taken by ticket, so nobody waits longer than the others' paths through the kernel take. Clobbers r11.
.macro take_lock
  mov $1, %r11d
  lock xadd %r11d, lock_tickets
  cmp %r11d, lock_served
  je 1f
  call wait_for_lock
1:
.endm
.macro give_lock
  incl lock_served
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
  mov $(boot_root - KERNEL_BASE), %eax
  mov %eax, %cr3
  mov $0x620, %eax                        # PAE, OSFXSR, OSXMMEXCPT: ring 3 may use SSE
  mov %eax, %cr4
  mov $0xc0000080, %ecx                   # EFER: SCE, LME, NXE
  mov $0x901, %eax
  xor %edx, %edx
  wrmsr
  lgdt descriptor_table_pointer_physical - KERNEL_BASE
  mov $0x80050023, %eax                   # PG, AM, WP, NE, MP, PE
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
  # Below the place where the probe's fault arrives.
  mov $(STACKS + 0x4000 - 4096), %rsp
  mov %ebx, %edi
  call kernel_main
  ud2

# ---------------------------------------------------------------- another processor: real mode at 0x8000, where this is copied to
.set TRAMPOLINE, 0x8000
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
  mov $0x18, %eax
  mov %eax, %ds
  mov %eax, %ss
  mov $0x620, %eax
  mov %eax, %cr4
  mov $(boot_root - KERNEL_BASE), %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx
  mov $0x901, %eax
  xor %edx, %edx
  wrmsr
  mov $0x80050023, %eax
  mov %eax, %cr0
  ljmp $0x10, $(processor_start - KERNEL_BASE)
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
  lgdt descriptor_table_pointer(%rip)
  lidt interrupt_table_pointer(%rip)
  mov $0x18, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov starting_processor(%rip), %edi
  mov %edi, %eax
  shl $4, %eax
  add $0x40, %eax
  ltr %ax
  lea 1(%rdi), %rsp
  shl $14, %rsp
  add $(STACKS - 4096), %rsp
  call kernel_processor_main
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
    jmp entry_timer                       # (tables.S names the entry itself, here and above)
  .elseif vector == 0xe1
    jmp entry_processor_interrupt
  .elseif vector == 0xff
    iretq                                 # spurious
  .elseif vector >= 0x20
    push $0
    push $vector
    jmp entry_device
  .elseif vector == 8
    jmp entry_double_fault
  .elseif (vector >= 10 && vector <= 13) || vector == 17 || vector == 21 || vector == 29 || vector == 30
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
# These entries follow the vectors, so that tables.S knows where they are: the processor comes here without a jump.
.macro clear_caller_saved_registers       # but rax and rcx: nothing of the kernel's or of another environment's leaks
  xor %edx, %edx
  xor %esi, %esi
  xor %edi, %edi
  xor %r8d, %r8d
  xor %r9d, %r9d
  xor %r10d, %r10d
  xor %r11d, %r11d
.endm

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

.org vectors + 0x1000
.globl entry_call
entry_call:                               # int $4: the CPU's frame is at the top of the stack, where UserFrame is
serve_call:                               # (the direction flag is whatever it was: what uses it clears it)
  cmp $CALLS, %rax
  jae unknown_call
  take_lock
  call *call_table(,%rax,8)
.globl leave_call
leave_call:
  give_lock
leave_unlocked:
  xor %ecx, %ecx
  clear_caller_saved_registers
.globl leave_call_return
leave_call_return:
  iretq
unknown_call:
  mov $-1, %rax
  jmp leave_unlocked
# A transfer leaves with the registers as they are: those that a call preserves are the message, and in the others is nothing that the books
# do not tell everybody.
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

# SYSCALL: the CPU gives no stack and no frame; make the same one. Each processor has an entry of its own, so that it knows its stack. The
# stack segment at the very top is always the same, so it is written once, at boot.
.balign 64
.globl entry_syscall
entry_syscall:
.set processor, 0
.rept PROCESSORS
  .balign 64
  mov %rsp, STACKS + (processor + 1) * 0x4000 - STATE - 16
  mov $(STACKS + (processor + 1) * 0x4000 - STATE - 16), %rsp
  push %r11
  push $0x33
  push %rcx
  mov %r10, %rcx
  jmp serve_call
  .set processor, processor + 1
.endr

# A page fault at entry_syscall, from ring 3: a CPU whose SYSCALL does not change the privilege level. The registers are as SYSCALL leaves them.
.globl resume_as_syscall
resume_as_syscall:                        # rdi: TrapFrame, whose upper part is where UserFrame is
  mov %rdi, %rsp
  mov 7*8(%rsp), %rax
  mov %rax, 11*8(%rsp)
  movq $0x33, 12*8(%rsp)
  mov (%rsp), %rax
  and $0x240ad5, %eax                     # r11 may be anybody's invention: no I/O privilege, trap flag, nested task, virtual interrupts
  or $0x202, %eax
  mov %rax, 13*8(%rsp)
  restore_caller_saved
  add $16, %rsp
  mov %r10, %rcx
  jmp serve_call

# SYSCALL of 32-bit code, on processors that have it. Some KVMs arrive with the upper half of the address cut off, at the copy of the kernel's
# text that tables.S maps there: so every address here is absolute. Other processors raise #UD, and that is what is told. Which processor
# it is, its number says, for the stack pointer is the environment's.
.balign 64
.globl entry_syscall_32
entry_syscall_32:
.set processor, 0
.rept PROCESSORS
  .balign 64
  mov %rsp, STACKS + (processor + 1) * 0x4000 - STATE - 16
  mov $(STACKS + (processor + 1) * 0x4000 - STATE - 16), %rsp
  push %r11
  push $0x23
  push %rcx
  push $0
  push $6
  mov $entry_exception, %rax
  jmp *%rax
  .set processor, processor + 1
.endr

# ---------------------------------------------------------------- faults, timer, devices: everything the environment had comes back
.org vectors + 0x1600
.globl entry_page_fault
entry_page_fault:                         # the usual upcall touches nothing that is shared, so it needs no lock
  push $14
  save_caller_saved
  mov %rsp, %rdi
  call kernel_page_fault
  restore_caller_saved
  add $16, %rsp
  iretq

# The end of a slice. The usual case is served here: 64-bit code of ring 3, outside the gate page's window, whose time is over; nothing else to do;
# somebody else has positions; the environment takes the upcall. It touches nothing that is shared, so it needs no lock. `kernel_timer` serves
# every other case, and makes the same checks one by one.
.org vectors + 0x1700
.globl entry_timer
entry_timer:
  push %rax
  push %rcx
  push %rdx
  mov $0x80b, %ecx                        # the interrupt is served
  xor %eax, %eax
  xor %edx, %edx
  wrmsr
  cmpl $0x33, 32(%rsp)
  jne unusual_timer
  cmpl $0x7f00, 28(%rsp)
  je timer_in_gate_page
timer_outside:
  rdtsc
  shl $32, %rdx
  or %rdx, %rax
  cmp FROM_RING_3 + STATE_TIMER(%rsp), %rax
  jb unusual_timer
  cmpq $0, private_state + PRIVATE_ATTENTION
  jne unusual_timer
  cmpq $0, FROM_RING_3 + STATE_PENDING(%rsp)
  jne unusual_timer
  mov FROM_RING_3 + STATE_RECORD(%rsp), %rdx
  mov %rdx, FROM_RING_3 + STATE_TOLD(%rsp)
  mov RECORD_PAGE(%rdx), %ecx
  mov RECORD_EPILOGUE(%rdx), %rdx
  test %rdx, %rdx
  jz unusual_timer
  shl $12, %rcx
  or direct_map, %rcx
  cmpq $0, PAGE_FAULT_PENDING(%rcx)
  jne unusual_timer
  movl $1, FROM_RING_3 + STATE_PENDING(%rsp)
  add books + BOOKS_SLICE_LENGTH, %rax
  mov %rax, FROM_RING_3 + STATE_TIMER(%rsp)
  push 24(%rsp)
  pop PAGE_EPILOGUE_RETURN(%rcx)
  mov %rdx, 24(%rsp)
  mov %rax, %rdx
  shr $32, %rdx
  mov $0x6e0, %ecx                        # TSC deadline
  wrmsr
  pop %rdx
  pop %rcx
  pop %rax
  iretq
timer_in_gate_page:                       # its upper half is that of no other code
  mov 24(%rsp), %ecx
  sub $192, %ecx
  cmp $832, %ecx
  jae timer_outside
unusual_timer:
  pop %rdx
  pop %rcx
  pop %rax
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
  take_lock
  call kernel_device_interrupt
  give_lock
  restore_caller_saved
  add $16, %rsp
  iretq

# Another processor wants something of this one. It may hold the lock and wait for us, so this is no place to wait for the lock.
.balign 64
.globl entry_processor_interrupt
entry_processor_interrupt:
  push $0
  push $0xe1
  save_caller_saved
  mov %rsp, %rdi
  call kernel_processor_interrupt
  restore_caller_saved
  add $16, %rsp
  iretq

# An exception whose own delivery failed arrives on the emergency stack. Where it is ring 3's, which may have no page for the stack of its
# exceptions, the processor's own stack is empty: there the kernel knows which processor it is.
entry_double_fault:
  testb $3, 16(%rsp)
  jz 1f
  mov %rsp, %rsi
  mov %rsp, %rcx
  sub $emergency_stacks, %rcx
  shr $12, %rcx
  inc %ecx
  shl $14, %rcx
  lea STACKS - STATE(%rcx), %rsp
  push 40(%rsi)
  push 32(%rsi)
  push 24(%rsi)
  push 16(%rsi)
  push 8(%rsi)
  push (%rsi)
1:push $8
  jmp entry_exception

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

# ---------------------------------------------------------------- the lock, for those who take it in Swift, and waiting for it
.globl machine_acquire
machine_acquire:
  take_lock
  ret
.globl machine_release
machine_release:
  give_lock
  ret
# r11d: our ticket. Who holds the lock may wait for us to forget our translations. Preserves everything but r11 and the flags.
wait_for_lock:
  push %rax
  push %rcx
1:pause
  mov %rsp, %rax
  or $0x3fff, %rax
  cmpl $0, FLUSH-127(%rax)
  je 2f
  mov %cr3, %rcx
  mov %rcx, %cr3
  movl $0, FLUSH-127(%rax)
2:cmp %r11d, lock_served
  jne 1b
  pop %rcx
  pop %rax
  ret

# ---------------------------------------------------------------- out: into an environment that called to be here
# By way of the gate page, whose instructions empty the registers in ring 3: what is in them is the kernel's and another environment's.
.globl machine_resume
machine_resume:                           # rdi: instruction pointer, rsi: stack pointer, rdx: saved instruction pointer
  or $0x3fff, %rsp
  sub $(127 + 40), %rsp
  mov $0x7f00000000c0, %rax               # gate page + 192
  mov %rax, (%rsp)
  movq $0x33, 8(%rsp)
  movq $0x202, 16(%rsp)
  mov %rsi, 24(%rsp)
  mov %rdi, %rcx
  give_lock
  iretq

# ---------------------------------------------------------------- which instruction enters the kernel here?
# machine_probe(offset): runs a part of the gate page once in ring 3. machine_probe(128) -> 0 SYSCALL, 1 int $4: executes SYSCALL and sees where
# it arrives. machine_probe(144) -> what ring 3 finds switched on, see tables.S.
.globl machine_probe
machine_probe:
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
  mov $0x7f0000000000, %rax
  add %rdi, %rax
  push %rax
  mov $1, %eax                            # the answer, unless the probe has another one
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
  cld
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
  cld
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
direct_map: .quad 0xffff800000000000
call_table:
  .quad call_null, call_exit, call_yield, call_yield_to, call_sleep, call_sleep_until, call_predicate_bind, call_wake
  .quad call_upcall_bind, call_fault_decline, call_exception_decline
  .quad call_transfer_bind, call_transfer
  .quad call_slice_allocate, call_slice_free, call_slice_give
  .quad call_capability_derive, call_capability_accept, call_capability_grant, call_capability_drop, call_capability_destroy
  .quad call_environment_create, call_environment_start, call_environment_destroy, call_environment_guard
  .quad call_quota_move, call_revoke
  .quad call_frame_allocate, call_frame_free, call_frame_map, call_frame_unmap, call_frame_protect, call_entry_write
  .quad call_table_install, call_frames_allocate_mapped, call_frame_guard, call_frame_give
  .quad call_large_allocate, call_large_free, call_large_map, call_large_unmap
  .quad call_region_bind, call_region_unbind, call_region_read, call_region_write
  .quad call_console_write, call_console_draw
  .quad call_extent_bind, call_extent_unbind, call_block_submit
  .quad call_filter_bind, call_filter_unbind, call_packet_send
  .quad call_call, call_answer
call_table_end:
.if (call_table_end - call_table) != CALLS * 8
  .error "the call table does not have CALLS entries"
.endif

.bss
.balign 8
lock_tickets: .skip 4
lock_served: .skip 4
.globl starting_processor
starting_processor: .skip 8
probe_stack: .skip 8
