# What the compiler calls on its own. Eight bytes at a time: where ring 0 is emulated, each turn of a string instruction
# costs as much as an instruction.
.section .text.memory, "ax", @progbits
.cfi_sections .debug_frame
.globl memcpy
.globl memmove
.globl memset
# No function here uses the stack: the caller is always at its top.
.cfi_startproc
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
.cfi_endproc
