# Names that the compiler and Swift's runtime call on their own.
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
