// Instructions that a well-behaved program does not execute.
#pragma once
#include <stdint.h>

static inline void disable_interrupts(void) { __asm__ volatile("cli"); }
static inline void write_port(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void jump_to(uint64_t address) { __asm__ volatile("jmp *%0" : : "r"(address)); }
static inline void loop_forever(void) { for (;;) __asm__ volatile("pause"); }
static inline void foreign_syscall(uint64_t number, uint64_t a) {
  uint64_t rax = number;
  __asm__ volatile("syscall" : "+a"(rax) : "D"(a) : "rcx", "r11", "rdx", "rsi", "r8", "r9", "r10", "memory");
}
static inline void break_point(void) { __asm__ volatile("int3"); }

// Enters the kernel at `entry` as SYSCALL would have done, for the null call, but with return address and flags of the caller's choice; 0
// for the true return address.
static inline void forged_call(uint64_t entry, uint64_t return_address, uint64_t flags) {
  uint64_t rax = 0;
  __asm__ volatile(
      "lea 1f(%%rip), %%rcx\n\t"
      "test %%rdx, %%rdx\n\t"
      "cmovne %%rdx, %%rcx\n\t"
      "mov %%rsi, %%r11\n\t"
      "jmp *%%rdi\n"
      "1:"
      : "+a"(rax), "+D"(entry), "+d"(return_address), "+S"(flags)
      :
      : "rcx", "r8", "r9", "r10", "r11", "cc", "memory");
}
// Continues in a 32-bit code segment and reads `address` there.
static inline void read_in_32_bit_mode(uint32_t address) {
  __asm__ volatile(
      "push $0x23\n\t"
      "lea 1f(%%rip), %%rcx\n\t"
      "push %%rcx\n\t"
      "lretq\n\t"
      ".code32\n"
      "1:\tmov (%%eax), %%eax\n\t"
      "jmp 1b\n\t"
      ".code64"
      :
      : "a"(address)
      : "rcx", "memory");
}
// Fills a vector register with a secret, and unmasks every floating-point exception.
static inline void leave_traces(void) {
  uint32_t control = 0x0000;
  uint64_t secret = 0x7365637265743132;
  __asm__ volatile("movq %0, %%xmm5\n\tmovq %0, %%xmm15\n\tldmxcsr %1" : : "r"(secret), "m"(control) : "xmm5", "xmm15");
}
// What the vector registers hold, 0 where that is nothing.
static inline uint64_t vector_traces(void) {
  uint64_t first, second;
  __asm__ volatile("movq %%xmm5, %0\n\tmovq %%xmm15, %1" : "=r"(first), "=r"(second));
  return first | second;
}
static inline uint32_t vector_control(void) {
  uint32_t control;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  return control;
}
// Executes SYSCALL in a 32-bit code segment, then comes back.
static inline void syscall_in_32_bit_mode(void) {
  __asm__ volatile(
      "push $0x23\n\t"
      "lea 1f(%%rip), %%rcx\n\t"
      "push %%rcx\n\t"
      "xor %%eax, %%eax\n\t"
      "lretq\n\t"
      ".code32\n"
      "1:\tsyscall\n\t"
      ".code64"
      :
      :
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}
