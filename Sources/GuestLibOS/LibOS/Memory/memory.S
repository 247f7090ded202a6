# Names that the compiler and Swift's runtime call on their own.
.cfi_sections .debug_frame
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
.cfi_startproc
memcpy:
  mov %rdi, %rax
  mov %rdx, %rcx
  rep movsb
  ret
.cfi_endproc
.section .text.memmove, "ax", @progbits
.cfi_startproc
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
.cfi_endproc
.section .text.memset, "ax", @progbits
.cfi_startproc
memset:
  mov %rdi, %r9
  mov %esi, %eax
  mov %rdx, %rcx
  rep stosb
  mov %r9, %rax
  ret
.cfi_endproc
.section .text.memcmp, "ax", @progbits
.cfi_startproc
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
.cfi_endproc
